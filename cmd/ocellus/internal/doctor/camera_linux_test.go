package doctor

import (
	"encoding/binary"
	"testing"
)

func TestCapability(t *testing.T) {
	var c capability
	copy(c[16:48], "HD Pro Webcam")
	for _, k := range []struct {
		driver, device uint32
		want           bool
	}{
		{capCapture, 0, true},                  // before devices had capabilities of their own
		{capCapture | capDeviceCaps, 0, false}, // the metadata node of a camera
		{capDeviceCaps, capCapture, true},      // a webcam
		{capDeviceCaps, capCaptureMP, true},    // an image sensor on a board
		{capDeviceCaps, 0x00000002, false},     // output only
	} {
		binary.NativeEndian.PutUint32(c[84:], k.driver)
		binary.NativeEndian.PutUint32(c[88:], k.device)
		if c.captures() != k.want {
			t.Errorf("capabilities %#x, device %#x: %v", k.driver, k.device, c.captures())
		}
	}
	if c.name() != "HD Pro Webcam" {
		t.Errorf("name %q", c.name())
	}
}
