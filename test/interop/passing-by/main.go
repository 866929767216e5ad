// A gRPC server that serves /pkg.Service/Method: by grpc-go's own transport on one port, under net/http on another.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
)

// raw leaves messages as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "raw" }

func method(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	message := []byte{}
	if err := decode(&message); err != nil {
		return nil, err
	}
	return &message, nil
}

func main() {
	encoding.RegisterCodec(raw{})
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "pkg.Service",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Method", Handler: method}},
	}, struct{}{})
	native, web := listen(), listen()
	fmt.Printf("grpc-go %s native=%d net/http=%d\n", grpc.Version, port(native), port(web))
	go func() { log.Fatal(server.Serve(native)) }()
	log.Fatal(http.Serve(web, h2c.NewHandler(server, &http2.Server{})))
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func port(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }
