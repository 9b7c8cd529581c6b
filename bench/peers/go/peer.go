// SPDX-License-Identifier: MIT
//
// Go: goroutines, channels, and context.Context. A Context holds one value and its parent, so
// a read walks to the value: `get` reads the oldest of n, as the others' last bound variable
// is their deepest. A `first-set` is WithValue on a Context with n values, and what it made is
// left to the collector. A `wake-idle` locks both goroutines to threads of their own.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

type key int

var got interface{}

func withValues(n int) context.Context {
	ctx := context.Background()
	for i := 0; i < n; i++ {
		ctx = context.WithValue(ctx, key(i), i)
	}
	return ctx
}

func get(n int) {
	ctx, oldest := withValues(n), interface{}(key(0))
	measure(1, func(turns int) {
		for i := 0; i < turns; i++ {
			got = ctx.Value(oldest)
		}
	})
}

var derived context.Context

func firstSet(n int) {
	ctx, newest, value := withValues(n), interface{}(key(n)), interface{}(&got)
	measure(1, func(turns int) {
		for i := 0; i < turns; i++ {
			derived = context.WithValue(ctx, newest, value)
		}
	})
}

func yield(n int) {
	runtime.GOMAXPROCS(1)
	for i := 1; i < n; i++ {
		go func() {
			for {
				runtime.Gosched()
			}
		}()
	}
	measure(n, func(turns int) {
		for i := 0; i < turns; i++ {
			runtime.Gosched()
		}
	})
}

func spawnJoin(n int) {
	runtime.GOMAXPROCS(1)
	measure(n, func(turns int) {
		var all sync.WaitGroup
		for i := 0; i < turns; i++ {
			all.Add(n)
			for j := 0; j < n; j++ {
				go all.Done()
			}
			all.Wait()
		}
	})
}

func pingPong(procs int, lock bool) {
	if runtime.NumCPU() < procs {
		fmt.Fprintln(os.Stderr, "needs two processors")
		os.Exit(77)
	}
	runtime.GOMAXPROCS(procs)
	there, back := make(chan int), make(chan int)
	go func() {
		if lock {
			runtime.LockOSThread()
		}
		for message := range there {
			back <- message
		}
	}()
	if lock {
		runtime.LockOSThread()
	}
	measure(2, func(turns int) {
		for i := 0; i < turns; i++ {
			there <- i
			<-back
		}
	})
}

func channel(n int) {
	pingPong(n, false)
}

func wakeIdle(n int) {
	pingPong(n, true)
}

// Bytes and nanoseconds for a goroutine that waits at a channel.
func park(n int) (bytes, ns float64) {
	runtime.GOMAXPROCS(1)
	never := make(chan int)
	before, begun := memory(), time.Now()
	for i := 0; i < n; i++ {
		go func() { <-never }()
	}
	runtime.Gosched()
	took := time.Since(begun)
	debug.FreeOSMemory()
	return float64(memory()-before) / float64(n), float64(took) / float64(n)
}

func parkedBytes(n int) {
	once(func() float64 {
		bytes, _ := park(n)
		return bytes
	})
}

func create(n int) {
	once(func() float64 {
		_, ns := park(n)
		return ns
	})
}

// A number that looks random: Numerical Recipes' generator.
func someNumber(state *uint32) time.Duration {
	*state = *state*1664525 + 1013904223
	return time.Duration(*state)
}

// Due in an order that looks random, in an hour; stopped in the order of their making.
func timerCancel(n int) {
	runtime.GOMAXPROCS(1)
	armed, state := make([]*time.Timer, n), uint32(1)
	measure(n, func(turns int) {
		for i := 0; i < turns; i++ {
			for j := range armed {
				armed[j] = time.AfterFunc(time.Hour+someNumber(&state), func() {})
			}
			for _, timer := range armed {
				timer.Stop()
			}
		}
	})
}

// Due within a millisecond, which passes before all are armed. Each runs a goroutine.
func timer(n int) {
	runtime.GOMAXPROCS(1)
	state := uint32(1)
	measure(n, func(turns int) {
		for i := 0; i < turns; i++ {
			var all sync.WaitGroup
			all.Add(n)
			for j := 0; j < n; j++ {
				time.AfterFunc(someNumber(&state)%time.Millisecond, all.Done)
			}
			all.Wait()
		}
	})
}

func benches() (all []bench) {
	add := func(metric string, run func(int), sizes ...int) {
		for _, n := range sizes {
			all = append(all, bench{metric, n, run})
		}
	}
	add("get", get, 1, 8, 32, 100, 1000)
	add("first-set", firstSet, 1, 8, 32, 100, 1000)
	add("yield", yield, 2, 1000, 100000)
	add("spawn-join", spawnJoin, 1, 10000)
	add("channel", channel, 1, 2)
	add("wake-idle", wakeIdle, 2)
	add("timer", timer, 1000000)
	add("timer-cancel", timerCancel, 1000000)
	add("parked-bytes", parkedBytes, 10000, 100000, 1000000)
	add("create", create, 10000, 100000, 1000000)
	return all
}
