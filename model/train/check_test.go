package train

import "testing"

func TestGradients(t *testing.T) {
	for c := range CheckGradients() {
		if !c.OK() {
			t.Errorf("%s %s: difference %.3g of %d derivatives: %v", c.Layer, c.Attributes, c.Difference, c.Derivatives, c.Err)
		}
	}
}
