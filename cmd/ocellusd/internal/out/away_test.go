package out

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// senderEnv makes the test's program one that only sends: it holds the data folder.
const senderEnv = "OCELLUS_TEST_SENDER"

func TestMain(m *testing.M) {
	dir := os.Getenv(senderEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := sender(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// still is a device on which nothing happens any more.
type still struct{}

func (still) Status() watch.Status                    { return watch.Status{} }
func (still) Arm(string, bool) error                  { return watch.ErrNoCamera }
func (still) Subscribe() (<-chan store.Event, func()) { return make(chan store.Event), func() {} }

// sender sends what waits in a folder as the settings on the standard input say, until it is killed.
func sender(dir string) error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	c, err := config.Parse(text, "test.yaml")
	if err != nil {
		return err
	}
	db, err := store.Open(dir)
	if err != nil {
		return err
	}
	x, err := open(Options{Store: db, Watch: still{}, Hub: still{}, Log: slog.New(slog.DiscardHandler)}, bounds{most: 100_000, first: 10 * time.Millisecond, last: 200 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := x.Apply(c); err != nil {
		return err
	}
	select {}
}

// TestHourAway has no broker for an hour of an event each second (for ten minutes where OCELLUS_SOAK is less than that), and kills who sends again and again, before and after the broker is back: all events arrive, in
// the order in which they happened.
func TestHourAway(t *testing.T) {
	events := 600
	if s := os.Getenv("OCELLUS_SOAK"); s != "" {
		bound, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal("OCELLUS_SOAK: ", err)
		}
		if bound >= 10*time.Minute {
			events = 3600
		}
	}
	m := newMosquitto(t, "max_queued_messages 0\n")
	d := newDevice(t)
	begin := func() (kill func()) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), senderEnv+"="+d.db.Dir())
		c.Stderr = t.Output()
		in, err := c.StdinPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(in, "device: test\nmqtt: {url: \"tcp://127.0.0.1:%s\", discovery: false}\n", m.port)
		in.Close()
		return func() {
			c.Process.Kill()
			c.Wait()
		}
	}
	count := func(what string) (n int) {
		if err := d.db.Read().QueryRow("SELECT count(*) FROM " + what).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	kill := begin()
	until(t, "somebody to tell", func() bool { return count("outbox_targets") == 1 })
	for i := range events {
		e := store.Event{Time: time.Now().Add(time.Duration(i-events) * time.Second), Camera: "door", Kind: store.PedestrianEntered, Track: int64(i)}
		if err := d.db.AddEvent(context.Background(), &e, nil); err != nil {
			t.Fatal(err)
		}
		if i == events/2 {
			kill()
			kill = begin()
		}
	}
	kill()
	m.start()
	l := m.listen("tcp://127.0.0.1:"+m.port, nil)
	heard := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.events)
	}
	r := rand.New(rand.NewPCG(1, 1))
	kills := 0
	for heard() < events {
		kill := begin()
		more := heard() + 50 + r.IntN(200)
		until(t, "more events", func() bool {
			return heard() >= more || count("outbox") == 0 && count("outbox_targets WHERE cursor >= "+fmt.Sprint(events)) == 1
		})
		kill()
		kills++
		if count("outbox") == 0 {
			until(t, "the last events", func() bool { return heard() >= events })
		}
	}
	if got := l.ids(); !slices.Equal(got, sequence(1, int64(events))) {
		t.Errorf("%d of %d events came, or not in their order", len(got), events)
	}
	t.Logf("%d events, of which %d came twice because who sent them was killed %d times", events, heard()-events, kills)
}
