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
	Least        float64 `json:"least_milliseconds"`
	Params       int64   `json:"parameters"`
	MACs         int64   `json:"multiply_accumulates"`
	Threads      int     `json:"threads"`
	took         []time.Duration
}

// newCost begins the account of networks that run on a number of threads.
func newCost(threads int, list ...*nets.Net) *cost {
	c := &cost{Threads: threads}
	for _, n := range list {
		c.Params += n.Params
		c.MACs += n.Program.Size().MACs
		if n.Refine != nil { // its multiply-accumulates are those of one face
			c.Params += n.Refine.Params
			c.MACs += n.Refine.Program.Size().MACs
		}
	}
	return c
}

// since notes that a picture was begun at a time and is done.
func (c *cost) since(begin time.Time) {
	c.took = append(c.took, time.Since(begin))
	sorted := slices.Sorted(slices.Values(c.took))
	ms := func(d time.Duration) float64 { return round(d.Seconds()*1000, 3) }
	c.Milliseconds, c.Least = ms(sorted[len(sorted)/2]), ms(sorted[0])
}

// String writes a cost as a row of a table.
func (c *cost) String() string {
	threads := "1 thread"
	if c.Threads != 1 {
		threads = fmt.Sprintf("%d threads", c.Threads)
	}
	return fmt.Sprintf("%-16s %.1f ms a picture, %.1f at the least, %s; %s parameters, %s multiply-accumulates\n", "time", c.Milliseconds, c.Least, threads, short(c.Params), short(c.MACs))
}
