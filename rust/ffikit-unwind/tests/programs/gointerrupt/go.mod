module gointerrupt

go 1.21
