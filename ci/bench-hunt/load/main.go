// Command load COUNT FILE CONNECTIONS asks the service whose address FILE will hold, COUNT times.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const patience = 2 * time.Minute // a slow tool's start

func address(file string) string {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil {
			return string(text)
		}
	}
	panic("no service came")
}

func main() {
	count, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	connections, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	at := address(os.Args[2])
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var asked atomic.Int64
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for i := asked.Add(1); i <= count; i = asked.Add(1) {
				answer, err := client.Get(fmt.Sprintf("http://%s/item/%d", at, i))
				if err != nil {
					panic(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		})
	}
	all.Wait()
}
