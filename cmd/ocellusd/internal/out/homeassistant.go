package out

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/machine"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// object is a JSON object.
type object = map[string]any

// entity is a thing that Home Assistant is told of.
type entity struct {
	component string // binary_sensor, sensor, camera, switch
	id        string // within the device
	about     object
}

// presence is for how long after an event somebody counts as there.
const presence = 30 * time.Second

// entities are those of the device: of each camera whether somebody is there, what happened last, a picture, how it does, and a switch; of the device how it does.
func (b *broker) entities() []entity {
	var list []entity
	for _, name := range b.cameras {
		add := func(component, what, shown string, about object) {
			about["name"] = name + " " + shown
			list = append(list, entity{component, name + "_" + what, about})
		}
		state := b.topic(name, "state")
		add("binary_sensor", "person", "person", object{"state_topic": b.topic(name, "person"), "device_class": "occupancy", "off_delay": int(presence.Seconds()), "payload_on": on})
		add("binary_sensor", "connection", "connection", object{"state_topic": state, "value_template": "{{ value_json.connected }}", "payload_on": on, "payload_off": off,
			"device_class": "connectivity", "entity_category": "diagnostic"})
		add("sensor", "event", "last event", object{"state_topic": b.topic(name, "event"), "value_template": "{{ value_json.kind }}", "json_attributes_topic": b.topic(name, "event"), "icon": "mdi:eye"})
		add("sensor", "face", "last face", object{"state_topic": b.topic(name, "face"), "icon": "mdi:face-recognition"})
		add("sensor", "rate", "frames per second", object{"state_topic": state, "value_template": "{{ value_json.rate }}", "state_class": "measurement", "entity_category": "diagnostic"})
		add("sensor", "latency", "latency", object{"state_topic": state, "value_template": "{{ value_json.latency_ms }}", "unit_of_measurement": "ms", "device_class": "duration",
			"state_class": "measurement", "entity_category": "diagnostic"})
		add("camera", "snapshot", "snapshot", object{"topic": b.topic(name, "snapshot")})
		add("switch", "armed", "events", object{"state_topic": b.topic(name, "armed"), "command_topic": b.topic(name, "armed", "set"), "payload_on": on, "payload_off": off, "icon": "mdi:bell"})
	}
	for _, s := range []struct {
		what, shown string
		about       object
	}{
		{"temperature", "temperature", object{"device_class": "temperature", "unit_of_measurement": "°C"}},
		{"load", "load", object{"unit_of_measurement": "%", "icon": "mdi:gauge"}},
		{"memory", "memory", object{"device_class": "data_size", "unit_of_measurement": "B"}},
		{"disk", "free disk", object{"device_class": "data_size", "unit_of_measurement": "B"}},
	} {
		s.about["name"], s.about["state_topic"], s.about["value_template"] = s.shown, b.topic("health"), "{{ value_json."+s.what+" }}"
		s.about["state_class"], s.about["entity_category"] = "measurement", "diagnostic"
		list = append(list, entity{"sensor", s.what, s.about})
	}
	return list
}

// announced is the setting under which it is remembered what Home Assistant was told of.
const announced = "outbox.announced"

// discovery tells Home Assistant what there is, and that what there was before is no more.
func (l *link) discovery(ctx context.Context) error {
	b := l.b
	was, err := b.x.o.Store.Setting(ctx, announced)
	if err != nil {
		return err
	}
	var topics []string
	if b.c.Discovery {
		for _, e := range b.entities() {
			e.about["unique_id"] = "ocellus_" + b.device + "_" + e.id
			e.about["availability_topic"] = b.topic("status")
			e.about["device"] = object{"identifiers": []string{"ocellus_" + b.device}, "name": b.device, "manufacturer": "Ocellus", "model": "ocellusd", "sw_version": b.x.o.Version}
			text, err := json.Marshal(e.about)
			if err != nil {
				return err
			}
			topic := strings.Join([]string{b.c.Prefix, e.component, "ocellus_" + b.device, e.id, "config"}, "/")
			if err := l.publish(ctx, topic, true, text); err != nil {
				return err
			}
			topics = append(topics, topic)
		}
	}
	for _, topic := range strings.Fields(was) {
		if !slices.Contains(topics, topic) {
			if err := l.publish(ctx, topic, true, []byte{}); err != nil {
				return err
			}
		}
	}
	if now := strings.Join(topics, " "); now != was {
		return b.x.o.Store.SetSetting(ctx, announced, now)
	}
	return nil
}

// states says how cameras and the device do, where that has changed.
func (l *link) states(ctx context.Context) error {
	b := l.b
	status := b.x.o.Watch.Status()
	for i := range status.Cameras {
		c := &status.Cameras[i]
		if !slices.Contains(b.cameras, c.Name) {
			continue
		}
		connected, armed := off, off
		if c.State == "running" {
			connected = on
		}
		if c.Armed {
			armed = on
		}
		if err := l.tell(ctx, object{"connected": connected, "state": c.State, "rate": math.Round(10*c.Rate) / 10, "latency_ms": c.Ages.P50.Milliseconds()}, c.Name, "state"); err != nil {
			return err
		}
		if err := l.tell(ctx, armed, c.Name, "armed"); err != nil {
			return err
		}
	}
	return l.tell(ctx, b.health(&status), "health")
}

// health is how the device does; what cannot be told is left out.
func (b *broker) health(s *watch.Status) object {
	o := object{"load": math.Round(100 * s.Load.Demand), "memory": machine.ReadMemory().Process}
	if v, ok := machine.Temperature(); ok {
		o["temperature"] = math.Round(v)
	}
	if n, err := b.x.o.Store.Free(); err == nil {
		o["disk"] = n
	}
	return o
}

// tell sends a state where it is not what was sent last. Texts are sent as they are, all else as JSON.
func (l *link) tell(ctx context.Context, state any, parts ...string) error {
	topic := l.b.topic(parts...)
	text, ok := state.(string)
	if !ok {
		b, err := json.Marshal(state)
		if err != nil {
			return err
		}
		text = string(b)
	}
	if l.told[topic] == text {
		return nil
	}
	if err := l.publish(ctx, topic, true, text); err != nil {
		return err
	}
	l.told[topic] = text
	return nil
}

// eventCamera returns the camera of a message.
func eventCamera(body []byte) string {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil {
		return "unknown"
	}
	return m.Camera
}

// present says that somebody is there, or whose face was seen, where an event says so and is not long past.
func (l *link) present(ctx context.Context, camera string, body []byte) error {
	var m Message
	if err := json.Unmarshal(body, &m); err != nil || time.Since(m.Time) > presence {
		return nil
	}
	switch m.Kind {
	case store.FaceKnown, store.FaceUnknown:
		name := m.Name
		if name == "" {
			name = "unknown"
		}
		if err := l.publish(ctx, l.b.topic(camera, "face"), false, name); err != nil {
			return err
		}
	case store.PedestrianEntered, store.LineCrossed, store.Loitering:
	default:
		return nil
	}
	return l.publish(ctx, l.b.topic(camera, "person"), false, on)
}
