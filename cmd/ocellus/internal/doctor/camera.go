package doctor

import "github.com/ocellus-vision/ocellus/camera/v4l2"

// cameras lists the capture devices, and those that could not be asked.
func cameras() []Camera {
	found := []Camera{}
	devices, err := v4l2.Devices()
	if err != nil {
		return found // an operating system without them
	}
	for _, d := range devices {
		c := Camera{Path: d.Path, Name: d.Name}
		if d.Err != nil {
			c.Error = d.Err.Error()
		}
		found = append(found, c)
	}
	return found
}
