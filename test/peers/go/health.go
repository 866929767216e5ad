package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// serveHealth answers every call with OK and no message, beside grpc-go's own health service. Each line of standard
// input is `SERVICE STATUS`.
func serveHealth() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil }))
	statuses := health.NewServer()
	healthpb.RegisterHealthServer(server, statuses)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			service, status, _ := strings.Cut(lines.Text(), " ")
			statuses.SetServingStatus(service, healthpb.HealthCheckResponse_ServingStatus(healthpb.HealthCheckResponse_ServingStatus_value[status]))
		}
	}()
	fmt.Printf("listening on %s, grpc-go %s\n", listener.Addr(), grpc.Version)
	return server.Serve(listener)
}
