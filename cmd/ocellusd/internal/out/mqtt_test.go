package out

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// mosquitto is a real broker on a port of this machine.
type mosquitto struct {
	t    *testing.T
	dir  string
	port string
	cmd  *exec.Cmd
}

func newMosquitto(t *testing.T, settings string) *mosquitto {
	t.Helper()
	if testing.Short() {
		t.Skip("the broker is real")
	}
	if _, err := exec.LookPath("mosquitto"); err != nil {
		if _, err := os.Stat("/usr/sbin/mosquitto"); err != nil {
			t.Skip("no mosquitto here: sudo apt-get install mosquitto")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	m := &mosquitto{t: t, dir: t.TempDir(), port: port}
	text := "user root\nallow_anonymous true\nlistener " + port + " 127.0.0.1\npersistence true\npersistence_location " + m.dir + "/\n" + settings
	if err := os.WriteFile(filepath.Join(m.dir, "m.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.stop() })
	return m
}

func (m *mosquitto) start() {
	m.t.Helper()
	path := "/usr/sbin/mosquitto"
	if p, err := exec.LookPath("mosquitto"); err == nil {
		path = p
	}
	m.cmd = exec.Command(path, "-c", filepath.Join(m.dir, "m.conf"))
	m.cmd.Stdout, m.cmd.Stderr = m.t.Output(), m.t.Output()
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	until(m.t, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+m.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// stop ends the broker, who has time to write down what it has.
func (m *mosquitto) stop() {
	if m.cmd != nil {
		m.cmd.Process.Signal(os.Interrupt)
		m.cmd.Wait()
		m.cmd = nil
	}
}

// listener is another client, that hears all.
type listener struct {
	mqtt.Client
	mu     sync.Mutex
	events []Message
	last   map[string]string // payloads by topic
}

func (m *mosquitto) listen(url string, t *tls.Config) *listener {
	m.t.Helper()
	l := &listener{last: map[string]string{}}
	hear := func(_ mqtt.Client, x mqtt.Message) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last[x.Topic()] = string(x.Payload())
		if strings.HasSuffix(x.Topic(), "/event") {
			var e Message
			if err := json.Unmarshal(x.Payload(), &e); err != nil {
				m.t.Errorf("%s: %v", x.Payload(), err)
			}
			l.events = append(l.events, e)
		}
	}
	o := mqtt.NewClientOptions().AddBroker(url).SetClientID("listener").SetCleanSession(false).SetTLSConfig(t).SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond).
		SetMaxReconnectInterval(100 * time.Millisecond).SetDefaultPublishHandler(hear).SetUsername("home").SetPassword("sesame")
	l.Client = mqtt.NewClient(o)
	if token := l.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		m.t.Fatal("the listener does not connect: ", token.Error())
	}
	if token := l.Subscribe("#", 1, hear); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		m.t.Fatal(token.Error())
	}
	m.t.Cleanup(func() { l.Disconnect(0) })
	return l
}

// ids are those of the events that came, each at its first coming.
func (l *listener) ids() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []int64
	for _, e := range l.events {
		if !slices.Contains(list, e.ID) {
			list = append(list, e.ID)
		}
	}
	return list
}

func (l *listener) said(topic string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[topic]
}

// TestBrokerAway stops the broker while events happen, and starts it again: none is lost and the order is kept.
func TestBrokerAway(t *testing.T) {
	d := newDevice(t)
	m := newMosquitto(t, "")
	m.start()
	url := "tcp://127.0.0.1:" + m.port
	l := m.listen(url, nil)
	x, _ := d.open("mqtt: {url: \"" + url + "\", discovery: false}\n")
	d.happen(20, store.PedestrianEntered, store.FaceUnknown)
	until(t, "20 events", func() bool { return len(l.ids()) == 20 })
	until(t, "a picture", func() bool { return l.said("ocellus/test/door/snapshot") == "\xff\xd819" })
	for topic, want := range map[string]string{"ocellus/test/status": "online", "ocellus/test/door/armed": "ON", "ocellus/test/door/person": "ON", "ocellus/test/door/face": "unknown"} {
		until(t, topic, func() bool { return l.said(topic) == want })
	}
	for round := range int64(2) {
		m.stop()
		until(t, "it is noticed", func() bool { return !x.Status().Targets[0].Connected })
		d.happen(100, store.PedestrianEntered, store.PedestrianLeft, store.Loitering)
		until(t, "100 waiting", func() bool { return x.Status().Targets[0].Waiting >= 100 })
		m.start()
		until(t, "all events", func() bool { return len(l.ids()) == int(120+100*round) })
	}
	if !slices.Equal(l.ids(), sequence(1, 220)) {
		t.Errorf("the order is another: %v", l.ids())
	}
	until(t, "an empty outbox", func() bool { s := x.Status().Targets[0]; return s.Waiting == 0 && s.Sent == 220 && s.Dropped == 0 })
	if e := l.events[0]; e.Device != "test" || e.Delivery != fmt.Sprintf("%s-%d", x.epoch, e.ID) || e.Camera != "door" {
		t.Errorf("%+v", e)
	}
	x.Close()
	until(t, "a farewell", func() bool { return l.said("ocellus/test/status") == "offline" })
}

// TestHomeAssistant looks at what is announced, throws a switch, and takes cameras away.
func TestHomeAssistant(t *testing.T) {
	d := newDevice(t)
	m := newMosquitto(t, "")
	m.start()
	url := "tcp://127.0.0.1:" + m.port
	l := m.listen(url, nil)
	settings := "mqtt: {url: \"" + url + "\"}\n"
	x, c := d.open(settings)
	until(t, "online", func() bool { return l.said("ocellus/test/status") == online })
	configs := func() map[string]map[string]any {
		l.mu.Lock()
		defer l.mu.Unlock()
		all := map[string]map[string]any{}
		for topic, payload := range l.last {
			if !strings.HasPrefix(topic, "homeassistant/") || payload == "" {
				continue
			}
			var v map[string]any
			if err := json.Unmarshal([]byte(payload), &v); err != nil {
				t.Errorf("%s: %v", topic, err)
			}
			all[topic] = v
		}
		return all
	}
	until(t, "20 things", func() bool { return len(configs()) == 20 })
	kinds, unique := map[string]int{}, map[any]bool{}
	for topic, v := range configs() {
		parts := strings.Split(topic, "/")
		kinds[parts[1]]++
		unique[v["unique_id"]] = true
		if len(parts) != 5 || v["availability_topic"] != "ocellus/test/status" || v["device"].(map[string]any)["name"] != "test" {
			t.Errorf("%s: %v", topic, v)
		}
	}
	if len(unique) != 20 || kinds["camera"] != 2 || kinds["switch"] != 2 || kinds["binary_sensor"] != 4 || kinds["sensor"] != 12 {
		t.Errorf("%v %d", kinds, len(unique))
	}
	about := configs()["homeassistant/switch/ocellus_test/door_armed/config"]
	for _, payload := range []string{off, on, off} {
		l.Publish(about["command_topic"].(string), 1, false, payload)
		until(t, "the switch is "+payload, func() bool { return l.said(about["state_topic"].(string)) == payload })
		d.mu.Lock()
		if d.armed["door"] != (payload == on) || !d.armed["yard"] {
			t.Errorf("%v", d.armed)
		}
		d.mu.Unlock()
	}
	l.Publish(about["command_topic"].(string), 1, false, "nonsense")

	less := *c
	less.Cameras = c.Cameras[:1]
	if err := x.Apply(&less); err != nil {
		t.Fatal(err)
	}
	until(t, "12 things", func() bool { return len(configs()) == 12 })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed["door"] {
		t.Error("the switch moved by itself")
	}
}

// cable is a connection between two that can be cut.
type cable struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newCable(t *testing.T, to string) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: l}
	t.Cleanup(func() { l.Close(); c.cut() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, a, b)
			c.mu.Unlock()
			go func() { io.Copy(a, b); a.Close() }()
			go func() { io.Copy(b, a); b.Close() }()
		}
	}()
	return c
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.conns {
		x.Close()
	}
	c.conns = nil
}

// authority makes certificates: of itself, of a server at 127.0.0.1 and of a client.
func authority(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	make := func(name string, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		template.Subject, template.NotBefore, template.NotAfter = pkix.Name{CommonName: name}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		template.SerialNumber = big.NewInt(time.Now().UnixNano())
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, b := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return key
	}
	root := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key := make("ca", root, root, nil)
	make("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, root, key)
	make("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, root, key)
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// TestTLS speaks TLS with certificates on both sides, cuts the line and finds the last will; without the authority nothing is said.
func TestTLS(t *testing.T) {
	certs := t.TempDir()
	pool := authority(t, certs)
	at := func(name string) string { return filepath.Join(certs, name) }
	m := newMosquitto(t, "cafile "+at("ca.pem")+"\ncertfile "+at("server.pem")+"\nkeyfile "+at("server.key")+"\nrequire_certificate true\n")
	m.start()
	pair, err := tls.LoadX509KeyPair(at("client.pem"), at("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	l := m.listen("ssl://127.0.0.1:"+m.port, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
	line := newCable(t, "127.0.0.1:"+m.port)
	d := newDevice(t)
	d.happen(1, store.CameraLost)
	url := "ssl://" + line.Addr().String()
	x, c := d.open("mqtt: {url: \"" + url + "\", certificate: " + at("client.pem") + ", key: " + at("client.key") + "}\n")
	until(t, "an error", func() bool { return strings.Contains(x.Status().Targets[0].Error, "certificate") })
	trusted := *c
	trusted.MQTT.CA = at("ca.pem")
	if err := x.Apply(&trusted); err != nil {
		t.Fatal(err)
	}
	until(t, "online", func() bool { return l.said("ocellus/test/status") == online })
	var wills sync.WaitGroup
	wills.Add(1)
	once := sync.OnceFunc(wills.Done)
	l.Subscribe("ocellus/test/status", 1, func(_ mqtt.Client, x mqtt.Message) {
		if string(x.Payload()) == offline {
			once()
		}
	})
	line.cut()
	wills.Wait()
	d.happen(5, store.FaceKnown)
	until(t, "5 events", func() bool { return slices.Equal(l.ids(), sequence(2, 6)) })

	wrong := trusted
	wrong.MQTT = config.MQTT{URL: trusted.MQTT.URL, Topic: "ocellus", CA: at("client.key")}
	if err := x.Apply(&wrong); err == nil {
		t.Error("a key was taken for a certificate")
	}
}
