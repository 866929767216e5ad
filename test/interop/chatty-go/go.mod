module chatty

go 1.17

require golang.org/x/net v0.0.0-20220107192237-5cfca573fb4d

require golang.org/x/text v0.3.6 // indirect
