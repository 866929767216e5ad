// The rate limit service of envoyproxy, as its own program has it, with a Redis in its memory.
package main

import (
	"fmt"
	"os"

	"github.com/alicebob/miniredis/v2"
	"github.com/envoyproxy/ratelimit/src/service_cmd/runner"
	"github.com/envoyproxy/ratelimit/src/settings"
)

func main() {
	redis, err := miniredis.Run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("REDIS_SOCKET_TYPE", "tcp")
	os.Setenv("REDIS_URL", redis.Addr())
	service := runner.NewRunner(settings.NewSettings())
	service.Run()
}
