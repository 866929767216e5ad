// Forwards every gRPC call to the endpoints in turn: grpc-proxy LISTEN ENDPOINT,… [CERT KEY CA]
package main

import (
	"fmt"
	"log"
	"math"
	"net"
	"os"
	"strings"

	"github.com/mwitkow/grpc-proxy/proxy"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

const (
	// Of a stream, and of a connection. grpc-go's default of 64 KiB grows by itself; said, it need not.
	streamWindow     = 1 << 20
	connectionWindow = 16 << 20
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "-version" {
		fmt.Println("grpc-go", grpc.Version)
		return
	}
	ours, theirs := insecure.NewCredentials(), insecure.NewCredentials()
	if len(os.Args) == 6 {
		ours = must(credentials.NewServerTLSFromFile(os.Args[3], os.Args[4]))
		theirs = must(credentials.NewClientTLSFromFile(os.Args[5], "localhost"))
	}
	backend := must(grpc.NewClient("endpoints:///", grpc.WithResolvers(endpoints(os.Args[2])),
		// The target has no host to make `:authority` of.
		grpc.WithAuthority("localhost"),
		// Calls in turn; the default, pick_first, uses one endpoint only.
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithTransportCredentials(theirs),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connectionWindow),
		// Its default refuses messages above 4 MiB; a proxy has no opinion on size.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32))))
	server := proxy.NewProxy(backend, grpc.Creds(ours), grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connectionWindow))
	log.Fatal(server.Serve(must(net.Listen("tcp", os.Args[1]))))
}

func endpoints(addresses string) *manual.Resolver {
	builder := manual.NewBuilderWithScheme("endpoints")
	var state resolver.State
	for _, address := range strings.Split(addresses, ",") {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	builder.InitialState(state)
	return builder
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
