// A gRPC-like server on golang.org/x/net's http2 of January 2022, h2c: reads the messages of a request one by one,
// not faster than a message every `-pause`, and says how many came.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

func main() {
	pause := flag.Duration("pause", 0, "between two messages")
	every := flag.Int("every", 100, "pause after so many")
	flag.Parse()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/grpc")
		w.Header().Set("trailer", "grpc-status, grpc-message")
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		messages := 0
		var head [5]byte
		body := make([]byte, 1<<16)
		for {
			if _, err := io.ReadFull(r.Body, head[:]); err != nil {
				break
			}
			n := binary.BigEndian.Uint32(head[1:])
			if _, err := io.ReadFull(r.Body, body[:n]); err != nil {
				break
			}
			messages++
			if messages%*every == 0 {
				time.Sleep(*pause)
			}
		}
		w.Header().Set("grpc-status", "0")
		w.Header().Set("grpc-message", fmt.Sprint(messages))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on %d\n", l.Addr().(*net.TCPAddr).Port)
	http.Serve(l, h2c.NewHandler(handler, &http2.Server{}))
}
