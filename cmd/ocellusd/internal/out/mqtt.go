package out

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
)

// Times of a connection to a broker.
const (
	connectTime = 20 * time.Second
	ackTime     = 20 * time.Second // within which a broker must say that it has a message
	stateEvery  = 15 * time.Second // from one look at how cameras do to the next
)

// Payloads of states and switches.
const (
	on      = "ON"
	off     = "OFF"
	online  = "online"
	offline = "offline"
)

// broker is an MQTT broker. Events are sent with quality 1, one after the other; how things are is retained.
type broker struct {
	x       *Out
	device  string
	c       config.MQTT
	cameras []string
	tls     *tls.Config
}

// mqttSettings are what a broker was made of.
type mqttSettings struct {
	device string
	config.MQTT
	cameras []string
}

func newMQTT(x *Out, c *config.Config) (*broker, error) {
	b := &broker{x: x, device: c.Device, c: c.MQTT, cameras: cameraNames(c), tls: &tls.Config{MinVersion: tls.VersionTLS12}}
	if c.MQTT.CA != "" {
		pem, err := os.ReadFile(c.MQTT.CA)
		if err != nil {
			return nil, fmt.Errorf("mqtt.ca: %w", err)
		}
		b.tls.RootCAs = x509.NewCertPool()
		if !b.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.ca: there is no certificate in %s", c.MQTT.CA)
		}
	}
	if c.MQTT.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.MQTT.Cert, c.MQTT.Key)
		if err != nil {
			return nil, fmt.Errorf("mqtt.certificate: %w", err)
		}
		b.tls.Certificates = []tls.Certificate{pair}
	}
	return b, nil
}

// topic joins the parts of one of the device's own topics.
func (b *broker) topic(parts ...string) string {
	return strings.Join(append([]string{b.c.Topic, b.device}, parts...), "/")
}

// link is a connection to the broker.
type link struct {
	b      *broker
	t      *target
	client mqtt.Client
	lost   chan error        // holds one
	told   map[string]string // what was last said of states, by topic
}

// run implements poster.
func (b *broker) run(ctx context.Context, t *target) {
	for failures := 0; ctx.Err() == nil; {
		began := time.Now()
		err := b.stay(ctx, t)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > b.x.last {
			failures = 0
		}
		if failures++; failures == 1 {
			b.x.o.Log.Warn("the MQTT broker is away: it is tried again", "broker", t.shown, "error", err)
		}
		t.state(false, err)
		if !sleep(ctx, backOff(failures, b.x.first, b.x.last, rand.Float64())) {
			return
		}
	}
}

// stay connects, and sends until that fails or ctx ends.
func (b *broker) stay(ctx context.Context, t *target) error {
	l := &link{b: b, t: t, lost: make(chan error, 1), told: map[string]string{}}
	o := mqtt.NewClientOptions().AddBroker(b.c.URL.Reveal()).SetClientID("ocellus-"+b.device+"-"+b.x.epoch[:4]).SetTLSConfig(b.tls).
		SetUsername(b.c.User).SetPassword(b.c.Password.Reveal()).SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(true).
		SetConnectTimeout(connectTime).SetWriteTimeout(ackTime).SetKeepAlive(30*time.Second).SetPingTimeout(10*time.Second).
		SetWill(b.topic("status"), offline, 1, true).SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.lost <- err })
	l.client = mqtt.NewClient(o)
	if err := l.wait(ctx, l.client.Connect()); err != nil {
		l.client.Disconnect(0)
		return err
	}
	defer func() {
		if l.client.IsConnectionOpen() && ctx.Err() != nil { // a farewell that is meant has no will
			l.client.Publish(b.topic("status"), 1, true, offline).WaitTimeout(2 * time.Second)
		}
		l.client.Disconnect(100)
	}()
	if err := l.greet(ctx); err != nil {
		return err
	}
	b.x.o.Log.Info("the MQTT broker is there", "broker", t.shown)
	t.state(true, nil)
	look := time.NewTicker(stateEvery)
	defer look.Stop()
	for {
		if err := l.sendAll(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-l.lost:
			return err
		case <-t.news:
		case <-look.C:
		}
		if err := l.states(ctx); err != nil {
			return err
		}
	}
}

// wait waits for what the broker says.
func (l *link) wait(ctx context.Context, token mqtt.Token) error {
	timer := time.NewTimer(ackTime)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	case err := <-l.lost:
		return err
	case <-timer.C:
		return errors.New("the broker does not answer")
	}
}

// publish sends and waits until the broker has it.
func (l *link) publish(ctx context.Context, topic string, retained bool, payload any) error {
	return l.wait(ctx, l.client.Publish(topic, 1, retained, payload))
}

// greet says who is there and what there is, and listens to switches.
func (l *link) greet(ctx context.Context) error {
	b := l.b
	if err := l.discovery(ctx); err != nil {
		return err
	}
	for _, name := range b.cameras {
		set := b.topic(name, "armed", "set")
		token := l.client.Subscribe(set, 1, func(_ mqtt.Client, m mqtt.Message) { l.arm(name, string(m.Payload()), m.Retained()) })
		if err := l.wait(ctx, token); err != nil {
			return err
		}
	}
	if err := l.states(ctx); err != nil {
		return err
	}
	return l.publish(ctx, b.topic("status"), true, online)
}

// arm obeys a switch. A retained message is not a wish of now.
func (l *link) arm(name, payload string, retained bool) {
	if retained || payload != on && payload != off {
		return
	}
	if err := l.b.x.o.Watch.Arm(name, payload == on); err != nil {
		l.b.x.o.Log.Warn("a switch of MQTT was not obeyed", "camera", name, "error", err)
		return
	}
	l.b.x.o.Log.Info("a switch of MQTT was obeyed", "camera", name, "armed", payload == on)
	l.t.wake()
}

// sendAll sends what waits.
func (l *link) sendAll(ctx context.Context) error {
	b := l.b
	for {
		m, ok, err := b.x.next(ctx, l.t)
		if err != nil || !ok {
			return err
		}
		camera := eventCamera(m.body)
		if jpeg, err := b.x.o.Store.Snapshot(ctx, m.event); err == nil {
			if err := l.publish(ctx, b.topic(camera, "snapshot"), true, jpeg); err != nil {
				return err
			}
		}
		if err := l.publish(ctx, b.topic(camera, "event"), false, m.body); err != nil {
			return err
		}
		if err := l.present(ctx, camera, m.body); err != nil {
			return err
		}
		if err := b.x.taken(l.t, m, true); err != nil {
			return err
		}
	}
}
