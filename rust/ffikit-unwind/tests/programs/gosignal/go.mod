module gosignal

go 1.21
