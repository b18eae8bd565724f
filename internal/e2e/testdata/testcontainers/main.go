// Testcontainers pulls an image as tests with testcontainers-go do, or prints the version
// of that.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/testcontainers/testcontainers-go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "pull" {
		return pull(args[1])
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/testcontainers/testcontainers-go" {
				fmt.Println(m.Version)
			}
		}
	}
	return nil
}

func pull(image string) error {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return err
	}
	defer provider.Close()
	return provider.PullImage(context.Background(), image)
}
