package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
)

// cost is what a picture takes: from its pixels to what the task says of it, without reading the file.
type cost struct {
	Milliseconds float64 `json:"milliseconds"` // median over the pictures
	MACs         int64   `json:"multiply_accumulates"`
	Threads      int     `json:"threads"`
	took         []time.Duration
}

// newCost begins the account of networks that run on a number of threads.
func newCost(threads int, list ...*nets.Net) *cost {
	c := &cost{Threads: threads}
	for _, n := range list {
		c.MACs += n.Program.Size().MACs
	}
	return c
}

// since notes that a picture was begun at a time and is done.
func (c *cost) since(begin time.Time) {
	c.took = append(c.took, time.Since(begin))
	sorted := slices.Sorted(slices.Values(c.took))
	c.Milliseconds = round(sorted[len(sorted)/2].Seconds()*1000, 3)
}

// String writes a cost as a row of a table.
func (c *cost) String() string {
	threads := "1 thread"
	if c.Threads != 1 {
		threads = fmt.Sprintf("%d threads", c.Threads)
	}
	return fmt.Sprintf("%-16s %.1f ms a picture, %s; %s multiply-accumulates\n", "time", c.Milliseconds, threads, short(c.MACs))
}
