module example.test/service

go 1.25.0
