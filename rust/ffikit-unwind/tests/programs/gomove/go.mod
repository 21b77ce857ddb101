module gomove

go 1.21
