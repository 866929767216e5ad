// Two grpc-go servers with reflection, v1 and v1alpha: the first has the health service, the second nothing else.
package main

import (
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

func serve(register func(*grpc.Server)) int {
	server := grpc.NewServer()
	register(server)
	reflection.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go server.Serve(listener)
	return listener.Addr().(*net.TCPAddr).Port
}

func main() {
	told := serve(func(server *grpc.Server) { grpc_health_v1.RegisterHealthServer(server, health.NewServer()) })
	empty := serve(func(*grpc.Server) {})
	fmt.Printf("listening on %d %d, grpc-go %s\n", told, empty, grpc.Version)
	select {}
}
