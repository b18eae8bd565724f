// Command idle does nothing until it is told to end. Services of the end-to-end
// tests run it; it is linked statically, so that an image needs nothing else.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
}
