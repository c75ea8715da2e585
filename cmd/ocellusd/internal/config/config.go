// Package config reads the daemon's settings: one YAML file, in which every error is shown with its line and what was meant.
package config

import (
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Config is all that can be set. The tag "about" of a field says what it is, for the JSON Schema; "default" stands for a key that is left out; "least" and "most"
// bound numbers; "one" lists the words that are allowed; "need" marks keys that must be there.
type Config struct {
	Device  string    `yaml:"device" default:"ocellus" pattern:"^[a-z0-9_-]{1,32}$" about:"name of this device, in MQTT topics: lower case letters, digits, - and _"`
	Listen  string    `yaml:"listen" default:"127.0.0.1:8320" about:"address and port of the page and the API"`
	TLS     TLS       `yaml:"tls" about:"encryption of the page and the API"`
	Threads int       `yaml:"threads" least:"0" most:"1024" about:"threads that a network spreads over; 0 means one per CPU"`
	Cameras []Camera  `yaml:"cameras" about:"what is watched"`
	Tasks   Tasks     `yaml:"tasks" about:"what is looked for"`
	Keep    Keep      `yaml:"keep" about:"how long events and snapshots are kept"`
	Teach   Teach     `yaml:"teach" about:"learning from corrections"`
	MQTT    MQTT      `yaml:"mqtt" about:"a broker that is told of events"`
	Hooks   []Webhook `yaml:"webhooks" about:"addresses that are told of events"`

	// File is where the settings were read from; "" where there is no file.
	File string `yaml:"-"`

	text *string // of the file, without its secrets; a pointer, so that it is not printed with the rest
}

// Secret is a text that is never printed.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }

// hidden stands for what is secret.
const hidden = "***"

// URL is an address that may hold a password. It is printed without.
type URL string

// String hides users and passwords.
func (u URL) String() string { return camera.Redact(string(u)) }

// GoString hides users and passwords.
func (u URL) GoString() string { return u.String() }

// MarshalText hides users and passwords.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Reveal returns the whole address.
func (u URL) Reveal() string { return string(u) }

// TLS is how the page and the API are encrypted.
type TLS struct {
	Mode        string `yaml:"mode" default:"auto" one:"off auto file" about:"off; auto: a certificate of the daemon's own, on addresses other than loopback; file: certificate and key below"`
	Certificate string `yaml:"certificate" about:"PEM file of the certificate and those above it"`
	Key         string `yaml:"key" about:"PEM file of the key"`
}

// Camera is one camera.
type Camera struct {
	Name   string        `yaml:"name" need:"yes" pattern:"^[a-z0-9_-]{1,32}$" about:"lower case letters, digits, - and _"`
	URL    URL           `yaml:"url" need:"yes" about:"/dev/video0, rtsp://..., http://..., a clip, or synth:street"`
	Tasks  []string      `yaml:"tasks" one:"pedestrians scene faces" about:"what is looked for; left out: all that there is a network for"`
	Rate   float64       `yaml:"rate" default:"6" least:"0" most:"120" about:"looks for pedestrians a second at most; 0: at every frame"`
	Motion bool          `yaml:"motion" default:"true" about:"look only at frames in which something moves"`
	Loiter time.Duration `yaml:"loiter" least:"0" about:"how long somebody stays in the picture before that is an event; 0: for ever"`
	Zones  []Zone        `yaml:"zones" about:"parts of the picture; without any, the whole of it is one"`
	Lines  []Line        `yaml:"lines" about:"lines that pedestrians may cross"`
	Lost   time.Duration `yaml:"lost_after" default:"15s" least:"1s" about:"how long no frame comes before the camera counts as lost"`
}

// Point is a place in the picture: x and y as shares of its width and height.
type Point [2]float64

// Zone is a part of the picture.
type Zone struct {
	Name   string        `yaml:"name" json:"name" need:"yes" pattern:"^[a-z0-9_-]{1,32}$" about:"lower case letters, digits, - and _"`
	Points []Point       `yaml:"points" json:"points" need:"yes" least:"0" most:"1" about:"corners of a polygon, as shares of the picture's width and height"`
	Loiter time.Duration `yaml:"loiter" json:"-" least:"0" about:"how long somebody stays before that is an event; 0: the camera's"`
}

// Line is a line from one place to another: who crosses it from the left hand to the right of one who walks along it comes in.
type Line struct {
	Name string `yaml:"name" json:"name" need:"yes" pattern:"^[a-z0-9_-]{1,32}$" about:"lower case letters, digits, - and _"`
	From Point  `yaml:"from" json:"from" need:"yes" least:"0" most:"1" about:"where the line begins, as shares of the picture's width and height"`
	To   Point  `yaml:"to" json:"to" need:"yes" least:"0" most:"1" about:"where it ends"`
}

// Tasks are what is looked for.
type Tasks struct {
	Pedestrians Pedestrians `yaml:"pedestrians" about:"people, followed from frame to frame"`
	Scene       Scene       `yaml:"scene" about:"what each part of the picture is"`
	Faces       Faces       `yaml:"faces" about:"faces, and whose they are"`
}

// Pedestrians is the task of finding people.
type Pedestrians struct {
	Model string  `yaml:"model" about:"ONNX file; left out: the network in the program"`
	Score float64 `yaml:"score" default:"0" least:"0" most:"1" about:"from which on somebody makes an event; 0: what the network's tracks need"`
}

// Scene is the task of naming the parts of a picture.
type Scene struct {
	Model  string        `yaml:"model" about:"ONNX file; left out: the network in the program"`
	Every  time.Duration `yaml:"every" default:"2s" least:"100ms" about:"from one look to the next"`
	Change float64       `yaml:"change" default:"0.2" least:"0.01" most:"1" about:"share of the picture that must become something else"`
	Hold   time.Duration `yaml:"hold" default:"20s" least:"0s" about:"how long it must stay so"`
}

// Faces is the task of telling people apart.
type Faces struct {
	Detector  string        `yaml:"detector" about:"ONNX file; left out: the network in the program"`
	Embedder  string        `yaml:"embedder" about:"ONNX file; left out: the network in the program"`
	Rate      float64       `yaml:"rate" default:"2" least:"0" most:"120" about:"looks a second at most; 0: at every frame"`
	Threshold float64       `yaml:"threshold" least:"0" most:"1" about:"least similarity of pictures of one person; 0: the calibrated one"`
	Again     time.Duration `yaml:"again" default:"1m" least:"1s" about:"how long a person must have been away to be an event again"`
}

// Keep is what is kept.
type Keep struct {
	Age       time.Duration `yaml:"age" default:"720h" least:"0s" about:"of events and snapshots; 0: for ever"`
	Bytes     Bytes         `yaml:"bytes" default:"2GB" about:"of the database and the snapshots together; 0: no limit"`
	Reserve   Bytes         `yaml:"reserve" default:"500MB" about:"that stays free on the disk"`
	Snapshots bool          `yaml:"snapshots" default:"true" about:"keep a picture with each event"`
}

// Bytes is an amount of memory, written as 500MB or 2GiB.
type Bytes int64

// Teach is how the daemon learns from corrections.
type Teach struct {
	Model  string        `yaml:"model" about:"ONNX file of the classifier that is taught; left out: the network in the program, where there is one"`
	Memory Bytes         `yaml:"memory" default:"400MB" about:"that learning may use"`
	Time   time.Duration `yaml:"time" default:"30m" least:"10s" about:"that learning may take"`
}

// MQTT is a broker.
type MQTT struct {
	URL       URL    `yaml:"url" about:"tcp://host:1883 or ssl://host:8883; left out: no broker"`
	User      string `yaml:"user" about:"at the broker"`
	Password  Secret `yaml:"password" about:"at the broker; best as ${VAR} or ${file:/path}"`
	Topic     string `yaml:"topic" default:"ocellus" about:"what topics begin with"`
	Discovery bool   `yaml:"discovery" default:"true" about:"tell Home Assistant what there is"`
	Prefix    string `yaml:"discovery_prefix" default:"homeassistant" about:"what Home Assistant's topics begin with"`
	CA        string `yaml:"ca" about:"PEM file of who signed the broker's certificate; left out: the system's"`
	Cert      string `yaml:"certificate" about:"PEM file of a certificate for the broker"`
	Key       string `yaml:"key" about:"PEM file of its key"`
}

// Webhook is an address that is told of events.
type Webhook struct {
	URL    URL      `yaml:"url" need:"yes" about:"http:// or https://"`
	Secret Secret   `yaml:"secret" about:"signs what is sent; best as ${VAR} or ${file:/path}"`
	Kinds  []string `yaml:"kinds" one:"pedestrian_entered pedestrian_left line_crossed loitering face_known face_unknown scene_changed camera_lost camera_found" about:"of events; left out: all"`
}
