// Package metrics writes how the daemon does in Prometheus' text format.
package metrics

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/machine"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/out"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
	"github.com/ocellus-vision/ocellus/kernels"
)

// Options say where figures come from. All must be set.
type Options struct {
	Watch   func() watch.Status
	Out     func() out.Status
	Store   *store.DB
	Version string
}

// limits are the upper bounds of the buckets of latencies.
var limits = []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}

// Handler answers with all figures as they are.
func Handler(o Options) http.Handler {
	metrics.ExposeMetadata(true)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p page
		o.write(r.Context(), &p)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(p.Bytes())
	})
}

// page is the text.
type page struct {
	bytes.Buffer
	name string // of the family that samples are of
}

// family begins the samples of a name.
func (p *page) family(name, kind, help string) {
	p.name = name
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// escape writes what the value of a label may not hold as it is.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample writes a value of the family, whose name has an end for histograms and summaries. Labels are given as name, value, name, value and so on.
func (p *page) sample(end string, value float64, labels ...string) {
	p.WriteString(p.name + end)
	for i := 0; i < len(labels); i += 2 {
		p.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(p, `%s="%s"`, labels[i], escape.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		p.WriteByte('}')
	}
	p.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// one writes a family of one value.
func (p *page) one(name, kind, help string, value float64, labels ...string) {
	p.family(name, kind, help)
	p.sample("", value, labels...)
}

// Kinds of families.
const (
	gauge     = "gauge"
	counter   = "counter"
	histogram = "histogram"
	summary   = "summary"
)

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (o *Options) write(ctx context.Context, p *page) {
	p.one("ocellus_info", gauge, "1, with what the program is in labels", 1, "version", o.Version, "isa", kernels.Best().String())
	s := o.Watch()
	p.cameras(s.Cameras)
	p.tasks(s.Cameras)
	p.one("ocellus_load_demand", gauge, "share of the time of all workers that tasks ask for", s.Load.Demand)
	p.one("ocellus_load_step", gauge, "how far tasks step back because the device cannot keep up; 0 for none", float64(s.Load.Step))
	p.one("ocellus_viewers", gauge, "streams of pictures that are being watched", float64(s.Viewers))
	p.one("ocellus_events_total", counter, "events that were kept", float64(s.Events))
	p.one("ocellus_events_lost_total", counter, "events that could not be kept", float64(s.Lost))
	p.outbox(o.Out().Targets)
	if n, err := o.Store.Used(ctx); err == nil {
		p.one("ocellus_disk_used_bytes", gauge, "what events and their pictures take", float64(n))
	}
	if n, err := o.Store.Free(); err == nil {
		p.one("ocellus_disk_free_bytes", gauge, "what is free on the disk", float64(n))
	}
	if v, ok := machine.Temperature(); ok {
		p.one("ocellus_temperature_celsius", gauge, "of the hottest sensor", v)
	}
	if m := machine.ReadMemory(); m.Total > 0 {
		p.one("ocellus_memory_available_bytes", gauge, "of the device", float64(m.Available))
		p.one("ocellus_memory_total_bytes", gauge, "of the device", float64(m.Total))
	}
	metrics.WriteProcessMetrics(p)
}

// family is one with a sample for each element of a list.
type family[T any] struct {
	name, kind, help string
	value            func(*T) float64
}

// families writes families, whose samples have the labels of their elements.
func families[T any](p *page, list []T, labels func(*T) []string, all []family[T]) {
	for _, f := range all {
		p.family(f.name, f.kind, f.help)
		for i := range list {
			p.sample("", f.value(&list[i]), labels(&list[i])...)
		}
	}
}

func (p *page) cameras(list []watch.CameraStatus) {
	families(p, list, func(c *watch.CameraStatus) []string { return []string{"camera", c.Name} }, []family[watch.CameraStatus]{
		{"ocellus_camera_up", gauge, "whether frames come", func(c *watch.CameraStatus) float64 { return flag(c.State == "running") }},
		{"ocellus_camera_armed", gauge, "whether it makes events", func(c *watch.CameraStatus) float64 { return flag(c.Armed) }},
		{"ocellus_camera_frames_per_second", gauge, "that came lately", func(c *watch.CameraStatus) float64 { return c.Rate }},
		{"ocellus_camera_frames_total", counter, "that came", func(c *watch.CameraStatus) float64 { return float64(c.Frames) }},
		{"ocellus_camera_drops_total", counter, "frames that no task was free for, or that were lost", func(c *watch.CameraStatus) float64 { return float64(c.Drops) }},
		{"ocellus_camera_restarts_total", counter, "how often it was opened again", func(c *watch.CameraStatus) float64 { return float64(c.Restarts) }},
		{"ocellus_camera_faults_total", counter, "what went wrong with it", func(c *watch.CameraStatus) float64 { return float64(c.Faults) }},
	})
	p.family("ocellus_latency_seconds", histogram, "from the capture of a frame to results")
	for i := range list {
		c := &list[i]
		for _, limit := range limits {
			p.sample("_bucket", float64(c.Ages.Below(limit)), "camera", c.Name, "le", strconv.FormatFloat(limit.Seconds(), 'g', -1, 64))
		}
		p.sample("_bucket", float64(c.Ages.Count), "camera", c.Name, "le", "+Inf")
		p.sample("_sum", c.Ages.Sum().Seconds(), "camera", c.Name)
		p.sample("_count", float64(c.Ages.Count), "camera", c.Name)
	}
}

func (p *page) tasks(list []watch.CameraStatus) {
	each := func(f func(t *watch.TaskStatus, labels ...string)) {
		for i := range list {
			for k := range list[i].Tasks {
				f(&list[i].Tasks[k], "camera", list[i].Name, "task", list[i].Tasks[k].Name)
			}
		}
	}
	p.family("ocellus_task_run_seconds", summary, "how long a look at a frame takes")
	each(func(t *watch.TaskStatus, labels ...string) {
		p.sample("_sum", float64(t.Runs)*t.Mean.Seconds(), labels...)
		p.sample("_count", float64(t.Runs), labels...)
	})
	p.family("ocellus_task_errors_total", counter, "looks that failed")
	each(func(t *watch.TaskStatus, labels ...string) { p.sample("", float64(t.Errors), labels...) })
	p.family("ocellus_task_paused", gauge, "whether it rests because the device cannot keep up")
	each(func(t *watch.TaskStatus, labels ...string) { p.sample("", flag(t.Paused), labels...) })
}

func (p *page) outbox(list []out.TargetStatus) {
	families(p, list, func(t *out.TargetStatus) []string { return []string{"target", t.Name} }, []family[out.TargetStatus]{
		{"ocellus_outbox_waiting", gauge, "messages to be sent", func(t *out.TargetStatus) float64 { return float64(t.Waiting) }},
		{"ocellus_outbox_connected", gauge, "whether messages are taken", func(t *out.TargetStatus) float64 { return flag(t.Connected) }},
		{"ocellus_outbox_sent_total", counter, "messages that were taken", func(t *out.TargetStatus) float64 { return float64(t.Sent) }},
		{"ocellus_outbox_dropped_total", counter, "messages that never will be", func(t *out.TargetStatus) float64 { return float64(t.Dropped) }},
	})
}
