// SPDX-License-Identifier: MIT
//
// How a program talks to the driver of the bench (../../README.md), and how it measures: the
// same warm-up and batches as harness.c.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A measured thing: makes what is needed, and calls measure, or once.
type bench struct {
	metric string
	n      int
	run    func(n int)
}

var samples int

// Times batches of turns of the loop; a turn makes so many operations.
func measure(operations int, loop func(turns int)) {
	turnsTake := func(turns int) time.Duration {
		start := time.Now()
		loop(turns)
		return time.Since(start)
	}
	const batch, warm = 4 * time.Millisecond, 20 * time.Millisecond
	turns := 1
	for begun := time.Now(); ; {
		took := turnsTake(turns)
		if took < batch/2 {
			turns *= 2
			continue
		}
		turns = int(float64(turns)*float64(batch)/float64(took)) + 1
		if time.Since(begun) > warm {
			break
		}
	}
	for i := 0; i < samples; i++ {
		fmt.Println(float64(turnsTake(turns)) / float64(turns) / float64(operations))
	}
}

// Prints the figure, which a process can find only once: other samples are of other ones.
func once(figure func() float64) {
	fmt.Println(figure())
	if samples > 1 {
		next := exec.Command(os.Args[0], os.Args[1], os.Args[2], strconv.Itoa(samples-1))
		next.Stdout, next.Stderr = os.Stdout, os.Stderr
		if next.Run() != nil {
			os.Exit(1)
		}
	}
}

// A line "Name:   123 kB" of a file under /proc/self, in bytes.
func kernelSays(file, name string) int {
	text, _ := os.ReadFile("/proc/self/" + file)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name) {
			kb, _ := strconv.Atoi(strings.Fields(line)[1])
			return kb * 1024
		}
	}
	panic(name)
}

func memory() int {
	return kernelSays("smaps_rollup", "Rss:") + kernelSays("status", "VmPTE:")
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		fmt.Println("# Go", strings.TrimPrefix(runtime.Version(), "go"))
		for _, b := range benches() {
			fmt.Printf("%s\t%d\n", b.metric, b.n)
		}
		return
	}
	if len(os.Args) == 4 {
		n, _ := strconv.Atoi(os.Args[2])
		samples, _ = strconv.Atoi(os.Args[3])
		for _, b := range benches() {
			if b.metric == os.Args[1] && b.n == n && samples > 0 {
				b.run(n)
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, "usage: --list | METRIC N SAMPLES, of those listed")
	os.Exit(2)
}
