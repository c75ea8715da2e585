package metric

import "math"

// MarkedFace is a face with its eyes, nose and corners of the mouth, the left ones in the picture first, in pixels.
type MarkedFace struct {
	Box   Box
	Marks [5][2]float64
}

// FaceScene is a picture in which one face is meant to be found.
type FaceScene struct {
	Truth MarkedFace
	Found []MarkedFace
}

// FaceDetection says how well faces and their landmarks are found.
type FaceDetection struct {
	Found     Estimate `json:"found"`           // part of the faces on which a box lies, with an IoU of at least 0.5
	Small     Estimate `json:"found_small"`     // the same of those that are less than 48 pixels high
	Landmarks Estimate `json:"landmark_error"`  // of faces that are found: mean distance of the five landmarks, in distances between the eyes
	False     Estimate `json:"false_positives"` // boxes on no face, a picture
}

// small is the height in pixels below which a face counts as small.
const small = 48

// Faces measures scenes, and pictures that show no face that is meant by how many boxes lie on none. Intervals are over pictures.
func Faces(scenes []FaceScene, mistaken []int) FaceDetection {
	var found, little []bool
	var errors []float64
	for i := range scenes {
		s := &scenes[i]
		best, at := 0.5, -1
		for k, f := range s.Found {
			if v := IoU(s.Truth.Box, f.Box); v >= best {
				best, at = v, k
			}
		}
		found = append(found, at < 0)
		if s.Truth.Box[3] < small {
			little = append(little, at < 0)
		}
		if at >= 0 {
			errors = append(errors, s.Found[at].off(&s.Truth))
		}
	}
	var counts []float64
	for _, n := range mistaken {
		counts = append(counts, float64(n))
	}
	return FaceDetection{Found: others(Errors(found)), Small: others(Errors(little)), Landmarks: mean(errors), False: mean(counts)}
}

// others is the part that an estimate leaves.
func others(e Estimate) Estimate { return Estimate{1 - e.Value, 1 - e.High, 1 - e.Low, e.N} }

// mean estimates the mean of numbers.
func mean(v []float64) Estimate {
	return Bootstrap(len(v), func(times []int) float64 {
		var sum, n float64
		for i, k := range times {
			sum += float64(float64(k) * v[i])
			n += float64(k)
		}
		return sum / n
	})
}

// off is the mean distance of landmarks from the true ones, in distances between the true eyes.
func (f *MarkedFace) off(truth *MarkedFace) float64 {
	t := &truth.Marks
	sum := 0.0
	for i, p := range f.Marks {
		sum += math.Hypot(p[0]-t[i][0], p[1]-t[i][1])
	}
	return sum / float64(len(t)) / math.Hypot(t[1][0]-t[0][0], t[1][1]-t[0][1])
}
