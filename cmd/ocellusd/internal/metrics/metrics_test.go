package metrics

import (
	"io"
	"math"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/out"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// read asks for the figures, and reads them as Prometheus does.
func read(t *testing.T, o Options) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(o).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	text, _ := io.ReadAll(w.Body)
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for name := range families {
		if !model.IsValidLegacyMetricName(name) {
			t.Errorf("older Prometheus takes no family of the name %q", name)
		}
	}
	return families
}

func labels(m *dto.Metric) string {
	var list []string
	for _, l := range m.Label {
		list = append(list, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(list, ",")
}

func TestMetrics(t *testing.T) {
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var h pipeline.Histogram
	for _, d := range []time.Duration{5 * time.Millisecond, 30 * time.Millisecond, 40 * time.Millisecond, 3 * time.Second, time.Minute} {
		h.Add(d)
	}
	s := watch.Status{Events: 7, Lost: 1, Viewers: 2, Cameras: []watch.CameraStatus{
		{Name: "door", State: "running", Rate: 12.5, Frames: 1 << 40, Drops: 3, Restarts: 2, Faults: 1, Armed: true, Ages: h.Snapshot(),
			Tasks: []watch.TaskStatus{{Name: "pedestrians", Runs: 10, Errors: 1, Mean: 20 * time.Millisecond}, {Name: "scene", Paused: true}}},
		{Name: "yard", State: "waiting"}}}
	s.Load.Demand, s.Load.Step = 1.5, 2
	odd := "webhook https://example.com/\"q\\\nx"
	o := Options{Watch: func() watch.Status { return s }, Store: db, Version: "v1", Out: func() out.Status {
		return out.Status{Targets: []out.TargetStatus{{Name: "MQTT tcp://h:1883", Connected: true, Sent: 9}, {Name: odd, Waiting: 4, Dropped: 5}}}
	}}
	families := read(t, o)
	for _, c := range []struct {
		name, labels string
		want         float64
	}{
		{"ocellus_camera_up", "camera=door", 1}, {"ocellus_camera_up", "camera=yard", 0}, {"ocellus_camera_frames_per_second", "camera=door", 12.5},
		{"ocellus_camera_frames_total", "camera=door", 1 << 40}, {"ocellus_camera_drops_total", "camera=door", 3}, {"ocellus_camera_restarts_total", "camera=door", 2},
		{"ocellus_camera_faults_total", "camera=door", 1}, {"ocellus_camera_armed", "camera=door", 1}, {"ocellus_task_errors_total", "camera=door,task=pedestrians", 1},
		{"ocellus_task_paused", "camera=door,task=scene", 1}, {"ocellus_load_demand", "", 1.5}, {"ocellus_load_step", "", 2}, {"ocellus_viewers", "", 2},
		{"ocellus_events_total", "", 7}, {"ocellus_events_lost_total", "", 1}, {"ocellus_outbox_sent_total", "target=MQTT tcp://h:1883", 9},
		{"ocellus_outbox_waiting", "target=" + odd, 4}, {"ocellus_outbox_dropped_total", "target=" + odd, 5},
	} {
		found := false
		for _, m := range families[c.name].GetMetric() {
			if labels(m) == c.labels {
				found = true
				if got := m.GetGauge().GetValue() + m.GetCounter().GetValue(); got != c.want {
					t.Errorf("%s{%s} is %v, not %v", c.name, c.labels, got, c.want)
				}
			}
		}
		if !found {
			t.Errorf("there is no %s{%s}: %v", c.name, c.labels, families[c.name])
		}
	}
	for name, f := range families {
		if total := strings.HasSuffix(name, "_total"); strings.HasPrefix(name, "ocellus_") && (f.GetHelp() == "" || total != (f.GetType() == dto.MetricType_COUNTER)) {
			t.Errorf("%s: %v, %q", name, f.GetType(), f.GetHelp())
		}
	}
	m := families["ocellus_latency_seconds"].GetMetric()[0].GetHistogram()
	if m.GetSampleCount() != 5 || math.Abs(m.GetSampleSum()-63.075) > 1e-3 {
		t.Errorf("%d latencies, %v s", m.GetSampleCount(), m.GetSampleSum())
	}
	var last uint64
	for _, b := range m.Bucket {
		if b.GetCumulativeCount() < last {
			t.Errorf("the bucket up to %v holds less than the one before", b.GetUpperBound())
		}
		last = b.GetCumulativeCount()
		for bound, want := range map[float64]uint64{0.02: 1, 0.1: 3, 5: 4, 30: 4, math.Inf(1): 5} {
			if b.GetUpperBound() == bound && last != want {
				t.Errorf("%d latencies up to %v, not %d", last, bound, want)
			}
		}
	}
	runs := families["ocellus_task_run_seconds"].GetMetric()[0].GetSummary()
	if runs.GetSampleCount() != 10 || math.Abs(runs.GetSampleSum()-0.2) > 1e-9 {
		t.Errorf("%v", runs)
	}
	for _, name := range []string{"ocellus_disk_free_bytes", "go_goroutines"} {
		if f := families[name]; f == nil || f.GetMetric()[0].GetGauge().GetValue() <= 0 {
			t.Errorf("%s: %v", name, f)
		}
	}
	for _, name := range []string{"ocellus_disk_used_bytes", "process_resident_memory_bytes"} { // which an emulator gives as 0
		if families[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
	page, err := os.ReadFile("../../../../docs/daemon.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range families {
		if strings.HasPrefix(name, "ocellus_") && !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/daemon.md says nothing of %s", name)
		}
	}

	// Nothing set up.
	o.Watch, o.Out = func() watch.Status { return watch.Status{} }, func() out.Status { return out.Status{} }
	read(t, o)
}
