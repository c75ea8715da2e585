package metric

// Confusion counts the pixels of a picture by their true class and the one that a network gave them: Count[true·Classes+given].
type Confusion struct {
	Classes int
	Count   []int64
}

// NewConfusion returns a Confusion of nothing.
func NewConfusion(classes int) *Confusion { return &Confusion{classes, make([]int64, classes*classes)} }

// Add counts a picture. Pixels whose true label is none of the classes do not count; a given label that is none of them is wrong and counts
// as the class after the true one.
func (c *Confusion) Add(truth, given []uint8) {
	if len(truth) != len(given) {
		panic("metric: Confusion.Add: maps of different sizes")
	}
	for i, t := range truth {
		t, g := int(t), int(given[i])
		if t >= c.Classes {
			continue
		}
		if g >= c.Classes {
			g = (t + 1) % c.Classes
		}
		c.Count[t*c.Classes+g]++
	}
}

// Segmentation says how well pixels are labelled, with intervals over pictures.
type Segmentation struct {
	MIoU     Estimate   `json:"miou"`           // mean over classes of intersection over union (Everingham et al., The Pascal VOC challenge, IJCV 2015)
	Accuracy Estimate   `json:"pixel_accuracy"` // part of the pixels that are right
	Average  Estimate   `json:"class_average"`  // mean over classes of the part of their pixels that is right
	IoU      []Estimate `json:"iou"`            // of each class
}

// Segment measures pictures, each by its Confusion. Pixels of all pictures count together; a class that is in none is left out of means.
func Segment(pictures []*Confusion) Segmentation {
	if len(pictures) == 0 {
		panic("metric: Segment: no pictures")
	}
	n := pictures[0].Classes
	sum := NewConfusion(n)
	over := func(figure func(*Confusion) float64) Estimate {
		return Bootstrap(len(pictures), func(times []int) float64 {
			clear(sum.Count)
			for i, p := range pictures {
				for k, v := range p.Count {
					sum.Count[k] += v * int64(times[i])
				}
			}
			return figure(sum)
		})
	}
	s := Segmentation{MIoU: over((*Confusion).MIoU), Accuracy: over((*Confusion).Accuracy), Average: over((*Confusion).Average)}
	for k := range n {
		s.IoU = append(s.IoU, over(func(c *Confusion) float64 { return c.IoU(k) }))
	}
	return s
}

// IoU is true positives over true positives, false positives and false negatives of a class; no number where there are none.
func (c *Confusion) IoU(k int) float64 {
	truth, given := c.margins(k)
	hit := c.Count[k*c.Classes+k]
	return float64(hit) / float64(truth+given-hit)
}

// margins returns how many pixels are of a class, and how many were given it.
func (c *Confusion) margins(k int) (truth, given int64) {
	for i := range c.Classes {
		truth += c.Count[k*c.Classes+i]
		given += c.Count[i*c.Classes+k]
	}
	return truth, given
}

// MIoU is the mean of IoU over the classes that are there.
func (c *Confusion) MIoU() float64 { return c.mean(c.IoU) }

// Average is the mean over classes of the part of their pixels that is right.
func (c *Confusion) Average() float64 {
	return c.mean(func(k int) float64 {
		truth, _ := c.margins(k)
		return float64(c.Count[k*c.Classes+k]) / float64(truth)
	})
}

// mean is that of a figure over the classes for which it is a number.
func (c *Confusion) mean(figure func(k int) float64) float64 {
	sum, n := 0.0, 0
	for k := range c.Classes {
		if v := figure(k); v == v {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

// Accuracy is the part of the pixels that is right.
func (c *Confusion) Accuracy() float64 {
	hit, all := int64(0), int64(0)
	for i, v := range c.Count {
		all += v
		if i/c.Classes == i%c.Classes {
			hit += v
		}
	}
	return float64(hit) / float64(all)
}
