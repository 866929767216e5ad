// An endpoint of the fault runs on grpc-go (test/fleet/faults/endpoint.ts tells what is asked of it).
//
//	endpoint PORT LEDGER MAX_AGE_MS
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"path"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

const (
	slowFactor    = 100
	leastUsual    = 2 * time.Millisecond
	usualSpreadUs = 6000
	flakyBytes    = 13
	healthMethod  = "/grpc.health.v1.Health/Check"
)

// bytesCodec hands messages on as they are.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

type endpoint struct {
	// treatment is what calls are treated to: answer, slow, unavailable, flaky or silent.
	treatment atomic.Value
	ledger    *os.File
}

// rotations writes a line when a connection ended, which its age is the usual reason for.
type rotations struct{ ledger *os.File }

func (rotations) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (rotations) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (rotations) HandleRPC(context.Context, stats.RPCStats)                         {}
func (r rotations) HandleConn(_ context.Context, event stats.ConnStats) {
	if _, ended := event.(*stats.ConnEnd); ended {
		r.ledger.WriteString("- rotated\n")
	}
}

// usualTime is the same for the same call on each kind of endpoint: 2 to 8 ms.
func usualTime(id string) time.Duration {
	hash := fnv.New32a()
	io.WriteString(hash, id)
	return leastUsual + time.Duration(hash.Sum32()%usualSpreadUs)*time.Microsecond
}

// flakyFails says whether this attempt fails: the same ones on each kind of endpoint.
func flakyFails(ctx context.Context, id string) bool {
	previous := "0"
	if given := metadata.ValueFromIncomingContext(ctx, "grpc-previous-rpc-attempts"); len(given) > 0 {
		previous = given[0]
	}
	return sha256.Sum256([]byte(previous + "/" + id))[0] < flakyBytes
}

// checked answers as an endpoint's program would: what keeps it from answering calls keeps it from answering this.
func checked(treatment string, stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	response := []byte{8, 1}
	switch treatment {
	case "silent":
		<-stream.Context().Done()
		return stream.Context().Err()
	case "unavailable":
		response[1] = 2
	}
	return stream.SendMsg(&response)
}

func (e *endpoint) serve(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	treatment := e.treatment.Load().(string)
	if method == healthMethod {
		return checked(treatment, stream)
	}
	id := path.Base(method)
	// One write, at once: what a process that is killed had received is known all the same.
	e.ledger.WriteString(id + " " + treatment + "\n")
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	if treatment == "flaky" && flakyFails(stream.Context(), id) {
		treatment = "unavailable"
	}
	switch treatment {
	case "unavailable":
		return status.Error(codes.Unavailable, "told to")
	case "silent":
		<-stream.Context().Done()
		return stream.Context().Err()
	case "slow":
		time.Sleep(slowFactor * usualTime(id))
	default:
		time.Sleep(usualTime(id))
	}
	return stream.SendMsg(&message)
}

func run(port, ledger, maxAgeMs string) error {
	encoding.RegisterCodec(bytesCodec{})
	file, err := os.OpenFile(ledger, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	e := &endpoint{ledger: file}
	e.treatment.Store("answer")
	options := []grpc.ServerOption{
		grpc.UnknownServiceHandler(e.serve),
		grpc.ForceServerCodec(bytesCodec{}),
		// Proxies here may ask each second whether it is there.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second / 2, PermitWithoutStream: true}),
	}
	age, err := strconv.Atoi(maxAgeMs)
	if err != nil {
		return err
	}
	if age > 0 {
		options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: time.Duration(age) * time.Millisecond,
		}), grpc.StatsHandler(rotations{file}))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	server := grpc.NewServer(options...)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if lines.Text() == "leave" {
				server.GracefulStop()
				os.Exit(0)
			}
			e.treatment.Store(lines.Text())
			fmt.Println("now", lines.Text())
		}
		// Nobody is there any more.
		os.Exit(0)
	}()
	fmt.Printf("listening on %d, grpc-go %s\n", listener.Addr().(*net.TCPAddr).Port, grpc.Version)
	return server.Serve(listener)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: endpoint PORT LEDGER MAX_AGE_MS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// GracefulStop has begun: its end is the end of the process.
	select {}
}
