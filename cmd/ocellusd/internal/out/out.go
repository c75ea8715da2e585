// Package out tells others of events: an MQTT broker and webhooks. What is to be sent is kept in the store until it was taken: nothing is lost while nobody can be
// reached or while the program does not run, the order is that of the events, and each is told at least once, with an id by which a second time is known.
package out

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// Watch is what is asked of the cameras.
type Watch interface {
	Status() watch.Status
	Arm(name string, armed bool) error
}

// Hub tells of events once they are in the store.
type Hub interface {
	Subscribe() (events <-chan store.Event, stop func())
}

// Options are those of an Out. All but Version must be set.
type Options struct {
	Store   *store.DB
	Watch   Watch
	Hub     Hub
	Log     *slog.Logger
	Version string
}

// Out tells others of events. Its methods may be called from many goroutines.
type Out struct {
	o Options
	bounds
	epoch string // of this database: numbers of events begin again in another
	stop  context.CancelFunc
	ctx   context.Context
	done  sync.WaitGroup
	fresh chan struct{} // holds one: there are targets whose outbox has not been filled

	mu      sync.Mutex
	targets []*target
}

// bounds are those of waiting.
type bounds struct {
	most        int           // messages for one target: what is older is dropped, and counted
	first, last time.Duration // after a failure, and after many
}

// target is one who is told.
type target struct {
	name  string // in the store
	shown string // to people: without secrets
	kinds []string
	like  any // the settings that it was made of
	post  poster
	news  chan struct{} // holds one: there may be more to send
	end   context.CancelFunc
	gone  chan struct{} // closed when nothing is sent any more

	mu        sync.Mutex
	connected bool
	err       error
}

// poster sends.
type poster interface {
	// run stays connected, and calls send for one message after the other, until ctx ends.
	run(ctx context.Context, t *target)
}

// TargetStatus is how one does who is told.
type TargetStatus struct {
	Name      string `json:"name"`
	Connected bool   `json:"connected"`
	Waiting   int    `json:"waiting"` // messages
	Sent      int64  `json:"sent"`
	Dropped   int64  `json:"dropped"` // because too many waited, or because they were refused
	Error     string `json:"error"`   // why nothing is sent; "" while it is
}

// Status is how all do.
type Status struct {
	Targets []TargetStatus `json:"targets"`
}

// message is a row of the outbox.
type message struct {
	seq   int64
	event int64
	id    string // of the delivery: the same each time that it is sent
	body  []byte
}

// Message is what is sent: an event, of which device it is, and the delivery's id.
type Message struct {
	Device   string `json:"device"`
	Delivery string `json:"delivery"`
	store.Event
}

// New returns an Out that tells nobody: Apply says whom. Close ends it.
func New(o Options) (*Out, error) {
	return open(o, bounds{most: 100_000, first: time.Second, last: 2 * time.Minute})
}

func open(o Options, b bounds) (*Out, error) {
	epoch, err := o.Store.Setting(context.Background(), "outbox.epoch")
	if err == nil && epoch == "" {
		epoch = strings.ToLower(rand.Text()[:10])
		err = o.Store.SetSetting(context.Background(), "outbox.epoch", epoch)
	}
	if err != nil {
		return nil, fmt.Errorf("the outbox: %w", err)
	}
	x := &Out{o: o, bounds: b, epoch: epoch, fresh: make(chan struct{}, 1)}
	x.ctx, x.stop = context.WithCancel(context.Background())
	news, unsubscribe := o.Hub.Subscribe()
	x.done.Go(func() {
		defer unsubscribe()
		x.feed(news)
	})
	return x, nil
}

// Close ends all. What was not sent is sent when the program runs again.
func (x *Out) Close() {
	x.stop()
	x.mu.Lock()
	targets := x.targets
	x.mu.Unlock()
	for _, t := range targets {
		<-t.gone
	}
	x.done.Wait()
}

// Apply makes the settings true: targets that are new or changed begin, those that are gone end, and the others go on. Where a certificate cannot be used, or the
// store cannot be written, nothing changes and the error says why.
func (x *Out) Apply(c *config.Config) error {
	change, err := x.Prepare(c)
	if err != nil {
		return err
	}
	return change()
}

// Prepare tries all that Apply does and that can fail but for the store, and changes nothing. change does the rest.
func (x *Out) Prepare(c *config.Config) (change func() error, err error) {
	wanted, err := x.wanted(c)
	if err != nil {
		return nil, err
	}
	return func() error { return x.change(wanted) }, nil
}

// change puts targets in the place of those that there are. One that is there already goes on.
func (x *Out) change(wanted []*target) error {
	last, err := x.o.Store.LastEvent(x.ctx)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var names []any
	for i, w := range wanted {
		names = append(names, w.name)
		for _, t := range x.targets {
			if t.name == w.name && reflect.DeepEqual(t.like, w.like) {
				wanted[i] = t
			}
		}
	}
	err = x.o.Store.Write(x.ctx, func(tx *sql.Tx) error {
		in := "(" + strings.TrimSuffix(strings.Repeat("?,", len(names)), ",") + ")"
		for _, table := range []string{"outbox WHERE target", "outbox_targets WHERE name"} {
			if _, err := tx.Exec("DELETE FROM "+table+" NOT IN "+in, names...); err != nil {
				return err
			}
		}
		for _, name := range names {
			if _, err := tx.Exec("INSERT INTO outbox_targets (name, cursor) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, last); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range x.targets {
		if !slices.Contains(wanted, t) {
			t.end()
			<-t.gone
		}
	}
	for _, t := range wanted {
		if t.gone == nil {
			x.begin(t)
		}
	}
	x.targets = wanted
	select {
	case x.fresh <- struct{}{}:
	default:
	}
	return nil
}

// begin starts to send. x.mu is held.
func (x *Out) begin(t *target) {
	ctx, end := context.WithCancel(x.ctx)
	t.news, t.gone, t.end = make(chan struct{}, 1), make(chan struct{}), end
	t.wake()
	go func() {
		defer close(t.gone)
		t.post.run(ctx, t)
	}()
}

// wanted returns the targets of the settings.
func (x *Out) wanted(c *config.Config) ([]*target, error) {
	var list []*target
	if c.MQTT.URL != "" {
		m, err := newMQTT(x, c)
		if err != nil {
			return nil, err
		}
		list = append(list, &target{name: "mqtt", shown: "MQTT " + c.MQTT.URL.String(), like: mqttSettings{c.Device, c.MQTT, cameraNames(c)}, post: m})
	}
	for i := range c.Hooks {
		h := c.Hooks[i]
		sum := sha256.Sum256([]byte(h.URL.Reveal()))
		name := "webhook " + hex.EncodeToString(sum[:8])
		for slices.ContainsFunc(list, func(t *target) bool { return t.name == name }) {
			name += "+"
		}
		list = append(list, &target{name: name, shown: "webhook " + h.URL.String(), kinds: h.Kinds, like: hookSettings{c.Device, h}, post: newHook(x, &h)})
	}
	for _, t := range list {
		t.mu.Lock()
		t.err = errWaiting
		t.mu.Unlock()
	}
	return list, nil
}

// errWaiting stands until something was sent.
var errWaiting = errors.New("not reached yet")

func cameraNames(c *config.Config) []string {
	var list []string
	for i := range c.Cameras {
		list = append(list, c.Cameras[i].Name)
	}
	return list
}

func (t *target) wake() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// state notes how a target does.
func (t *target) state(connected bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connected, t.err = connected, err
}

// feed puts what happens into the outbox of each target, and wakes those who send.
func (x *Out) feed(news <-chan store.Event) {
	look := time.NewTicker(10 * time.Second) // for what an error left behind
	defer look.Stop()
	for {
		select {
		case <-x.ctx.Done():
			return
		case <-look.C:
		case <-x.fresh:
		case _, ok := <-news:
			if !ok {
				return
			}
			for range len(news) { // one look at the store serves them all
				<-news
			}
		}
		x.mu.Lock()
		targets := slices.Clone(x.targets)
		x.mu.Unlock()
		for _, t := range targets {
			n, err := x.fill(t)
			if err != nil && x.ctx.Err() == nil {
				x.o.Log.Error("what is to be sent could not be written down", "target", t.shown, "error", err)
			}
			if n > 0 {
				t.wake()
			}
		}
	}
}

// page is how many events are put into the outbox at a time.
const page = 200

// fill puts the events after a target's cursor into its outbox, and returns how many.
func (x *Out) fill(t *target) (int, error) {
	total := 0
	for {
		var cursor int64
		if err := x.o.Store.Read().QueryRowContext(x.ctx, "SELECT cursor FROM outbox_targets WHERE name = ?", t.name).Scan(&cursor); err != nil {
			return total, err
		}
		filter := store.Filter{After: cursor, Limit: page}
		if cursor == 0 { // which does not select in a Filter
			filter = store.Filter{Before: page + 1, Limit: page}
		}
		list, err := x.o.Store.Events(x.ctx, filter)
		if err != nil || len(list) == 0 {
			return total, err
		}
		if cursor == 0 {
			slices.Reverse(list)
		}
		device := x.device(t)
		err = x.o.Store.Write(x.ctx, func(tx *sql.Tx) error {
			for i := range list {
				if len(t.kinds) > 0 && !slices.Contains(t.kinds, list[i].Kind) {
					continue
				}
				body, err := json.Marshal(Message{device, x.delivery(list[i].ID), list[i]})
				if err != nil {
					return err
				}
				if _, err := tx.Exec("INSERT INTO outbox (target, event, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", t.name, list[i].ID, body); err != nil {
					return err
				}
				total++
			}
			if _, err := tx.Exec("UPDATE outbox_targets SET cursor = ? WHERE name = ?", list[len(list)-1].ID, t.name); err != nil {
				return err
			}
			return bound(tx, t.name, x.most)
		})
		if err != nil {
			return total, err
		}
	}
}

// bound drops what is too much, the oldest first.
func bound(tx *sql.Tx, name string, most int) error {
	r, err := tx.Exec("DELETE FROM outbox WHERE target = ?1 AND seq <= (SELECT seq FROM outbox WHERE target = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)", name, most)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.Exec("UPDATE outbox_targets SET dropped = dropped + ? WHERE name = ?", n, name)
	return err
}

func (x *Out) device(t *target) string {
	switch l := t.like.(type) {
	case mqttSettings:
		return l.device
	case hookSettings:
		return l.device
	}
	return ""
}

func (x *Out) delivery(event int64) string { return fmt.Sprintf("%s-%d", x.epoch, event) }

// next returns the oldest message of a target; false for none.
func (x *Out) next(ctx context.Context, t *target) (message, bool, error) {
	var m message
	err := x.o.Store.Read().QueryRowContext(ctx, "SELECT seq, event, body FROM outbox WHERE target = ? ORDER BY seq LIMIT 1", t.name).Scan(&m.seq, &m.event, &m.body)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	m.id = x.delivery(m.event)
	return m, err == nil, err
}

// taken removes a message that was sent, or that never will be.
func (x *Out) taken(t *target, m message, sent bool) error {
	column := "sent"
	if !sent {
		column = "dropped"
	}
	// What was sent is written down even when all ends.
	return x.o.Store.Write(context.WithoutCancel(x.ctx), func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM outbox WHERE seq = ?", m.seq); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE outbox_targets SET "+column+" = "+column+" + 1 WHERE name = ?", t.name)
		return err
	})
}

// Status returns how all do.
func (x *Out) Status() Status {
	x.mu.Lock()
	targets := slices.Clone(x.targets)
	x.mu.Unlock()
	s := Status{Targets: []TargetStatus{}}
	for _, t := range targets {
		one := TargetStatus{Name: t.shown}
		t.mu.Lock()
		one.Connected = t.connected
		if t.err != nil {
			one.Error = t.err.Error()
		}
		t.mu.Unlock()
		err := x.o.Store.Read().QueryRow("SELECT sent, dropped, (SELECT count(*) FROM outbox WHERE target = name) FROM outbox_targets WHERE name = ?", t.name).Scan(&one.Sent, &one.Dropped, &one.Waiting)
		if err != nil && one.Error == "" {
			one.Error = err.Error()
		}
		s.Targets = append(s.Targets, one)
	}
	return s
}

// backOff returns how long to wait after so many failures in a row: from first, twice as long each time, up to last, and by chance up to a quarter less, so that
// not all who wait come at once.
func backOff(failures int, first, last time.Duration, chance float64) time.Duration {
	d := last
	if failures < 30 {
		d = min(last, first<<(failures-1))
	}
	return d - time.Duration(chance*float64(d)/4)
}

// sleep waits, and says whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
