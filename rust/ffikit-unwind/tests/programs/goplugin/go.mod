module goplugin

go 1.21
