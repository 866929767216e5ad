// An echo server and a client on grpc-go, without protobuf: a message is whatever bytes came.
//
//	peer serve         on grpc-go's own HTTP/2
//	peer serve-http    the same service under net/http
//	peer serve-health  grpc-go's health service; see health.go
//	peer serve-for MIN_TIME AGE GRACE
//	                   on grpc-go's own HTTP/2: how often clients may send PING, how old connections may become, and how
//	                   long calls may go on then, each as Go writes durations, 0 for the default
//	peer call ADDR     one call for each line of standard input, `ID PATH`; tells `ID CODE MESSAGE`
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// bytesCodec hands messages on as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// echo answers each message with itself. Under a path that ends in /Slow each answer takes 20 ms.
func echo(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if strings.HasSuffix(path, "/Slow") {
			time.Sleep(20 * time.Millisecond)
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

func serve(underHTTP bool, options ...grpc.ServerOption) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	version := "grpc-go " + grpc.Version
	if underHTTP {
		version += " under net/http of " + runtime.Version()
	}
	fmt.Printf("listening on %s, %s\n", listener.Addr(), version)
	options = append(options, grpc.UnknownServiceHandler(echo), grpc.ForceServerCodec(bytesCodec{}))
	server := grpc.NewServer(options...)
	if !underHTTP {
		return server.Serve(listener)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return (&http.Server{Handler: server, Protocols: protocols}).Serve(listener)
}

func serveFor(durations []string) error {
	var parsed [3]time.Duration
	for i, text := range durations {
		duration, err := time.ParseDuration(text)
		if err != nil {
			return err
		}
		parsed[i] = duration
	}
	policy := keepalive.EnforcementPolicy{MinTime: parsed[0]}
	age := keepalive.ServerParameters{MaxConnectionAge: parsed[1], MaxConnectionAgeGrace: parsed[2]}
	return serve(false, grpc.KeepaliveEnforcementPolicy(policy), grpc.KeepaliveParams(age))
}

func call(address string) error {
	connection, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	fmt.Printf("calling %s, grpc-go %s\n", address, grpc.Version)
	var calls sync.WaitGroup
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		id, path, _ := strings.Cut(lines.Text(), " ")
		calls.Go(func() {
			request, reply := []byte("question"), []byte(nil)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err := connection.Invoke(ctx, path, &request, &reply, grpc.ForceCodec(bytesCodec{}))
			fmt.Printf("%s %d %.200q\n", id, status.Code(err), status.Convert(err).Message())
		})
	}
	calls.Wait()
	return nil
}

func main() {
	var err error
	if len(os.Args) != 2 || os.Args[1] != "serve-health" {
		encoding.RegisterCodec(bytesCodec{})
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		err = serve(false)
	case len(os.Args) == 2 && os.Args[1] == "serve-http":
		err = serve(true)
	case len(os.Args) == 2 && os.Args[1] == "serve-health":
		err = serveHealth()
	case len(os.Args) == 5 && os.Args[1] == "serve-for":
		err = serveFor(os.Args[2:])
	case len(os.Args) == 3 && os.Args[1] == "call":
		err = call(os.Args[2])
	default:
		err = fmt.Errorf("usage: peer serve | serve-http | serve-health | serve-for MIN_TIME AGE GRACE | call ADDRESS")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
