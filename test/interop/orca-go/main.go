// Three grpc-go servers that report their load with each call (google.golang.org/grpc/orca): the first says that 100 calls
// a second load it to 20 %, the second to 40 %, the third to 80 %. They serve grpc.health.v1.Health.
package main

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/orca"
)

func serve(name string, utilization float64) int {
	report := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		recorder := orca.CallMetricsRecorderFromContext(ctx)
		recorder.SetApplicationUtilization(utilization)
		recorder.SetCPUUtilization(0.99)
		recorder.SetMemoryUtilization(0.5)
		recorder.SetQPS(100)
		recorder.SetNamedMetric("queue", 3)
		recorder.SetRequestCost("db", 7)
		grpc.SetHeader(ctx, metadata.Pairs("served-by", name))
		return handler(ctx, req)
	}
	server := grpc.NewServer(orca.CallMetricsServerOption(nil), grpc.ChainUnaryInterceptor(report))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go server.Serve(listener)
	return listener.Addr().(*net.TCPAddr).Port
}

func main() {
	a, b, c := serve("a", 0.2), serve("b", 0.4), serve("c", 0.8)
	fmt.Printf("listening on %d %d %d, grpc-go %s\n", a, b, c, grpc.Version)
	select {}
}
