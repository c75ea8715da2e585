package metric

import "math"

// Confusion counts the pixels of one picture: [true class][class that was given, or n for none of the n classes].
type Confusion [][]int

// NewConfusion returns an empty Confusion of n classes.
func NewConfusion(n int) Confusion {
	c := make(Confusion, n)
	for i := range c {
		c[i] = make([]int, n+1)
	}
	return c
}

// Add counts the pixels of two label maps of one size. Those whose true class is n or more are void and ignored.
func (c Confusion) Add(truth, given []uint8) {
	if len(truth) != len(given) {
		panic("metric: Confusion.Add: label maps of different sizes")
	}
	n := len(c)
	for i, t := range truth {
		if int(t) >= n {
			continue
		}
		c[t][min(int(given[i]), n)]++
	}
}

// Segmentation says how well pixels were named.
type Segmentation struct {
	PixelAccuracy Estimate   `json:"pixel_accuracy"`
	ClassAverage  Estimate   `json:"class_average"` // mean over classes of the part of their pixels that was named rightly
	MeanIoU       Estimate   `json:"mean_iou"`      // mean over classes of intersection over union
	IoU           []Estimate `json:"iou"`           // of each class
	Pictures      int        `json:"pictures"`
}

// Segment measures label maps. Classes that appear neither in the truth nor among what was given are left out of the means. Intervals are over pictures, N is
// their number.
func Segment(pictures []Confusion) Segmentation {
	s := Segmentation{Pictures: len(pictures)}
	if len(pictures) == 0 {
		nan := Estimate{math.NaN(), math.NaN(), math.NaN(), 0}
		s.PixelAccuracy, s.ClassAverage, s.MeanIoU = nan, nan, nan
		return s
	}
	n := len(pictures[0])
	sum := NewConfusion(n)
	over := func(figure func(c Confusion) float64) Estimate {
		return Bootstrap(len(pictures), func(times []int) float64 {
			for t := range sum {
				clear(sum[t])
				for i, p := range pictures {
					if times[i] > 0 {
						for g, k := range p[t] {
							sum[t][g] += k * times[i]
						}
					}
				}
			}
			return figure(sum)
		})
	}
	s.PixelAccuracy, s.ClassAverage, s.MeanIoU = over(Confusion.accuracy), over(Confusion.classAverage), over(Confusion.meanIoU)
	for class := range n {
		s.IoU = append(s.IoU, over(func(c Confusion) float64 { return c.iou(class) }))
	}
	return s
}

// class returns the pixels of a class that were named rightly, all that it has, and all that were given its name.
func (c Confusion) class(k int) (right, truth, given int) {
	for _, n := range c[k] {
		truth += n
	}
	for i := range c {
		given += c[i][k]
	}
	return c[k][k], truth, given
}

func (c Confusion) accuracy() float64 {
	right, all := 0, 0
	for k := range c {
		r, t, _ := c.class(k)
		right, all = right+r, all+t
	}
	return float64(right) / float64(all)
}

func (c Confusion) classAverage() float64 {
	var sum, n float64
	for k := range c {
		if r, t, _ := c.class(k); t > 0 {
			sum, n = sum+float64(r)/float64(t), n+1
		}
	}
	return sum / n
}

// iou is NaN for a class that appears nowhere.
func (c Confusion) iou(k int) float64 {
	right, truth, given := c.class(k)
	return float64(right) / float64(truth+given-right)
}

func (c Confusion) meanIoU() float64 {
	var sum, n float64
	for k := range c {
		if v := c.iou(k); !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / n
}

// Errors returns the part of right and wrong answers that is wrong, with an interval over them.
func Errors(wrong []bool) Estimate {
	return Bootstrap(len(wrong), func(times []int) float64 {
		n, all := 0, 0
		for i, k := range times {
			all += k
			if wrong[i] {
				n += k
			}
		}
		return float64(n) / float64(all)
	})
}
