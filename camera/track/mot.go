package track

// Labelled is a box with the name of what is in it: of a true object or of a track.
type Labelled struct {
	ID int
	Box
}

// Score counts how well tracks follow true objects. The zero value is ready for use.
//
// MOTA and ID switches are those of Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT metrics", EURASIP Journal
// on Image and Video Processing 2008, section 2: a true object and a track correspond where their IoU is at least a half; correspondences of the frame before
// are kept while they hold, the others are those of the greatest number and IoU. IDF1 is that of Ristani et al., "Performance measures and a
// data set for multi-target, multi-camera tracking", ECCV 2016 workshops: the F1 of boxes when each object may have only one track all along.
type Score struct {
	Frames   int
	Objects  int     // true boxes
	Boxes    int     // of tracks
	Matches  int     // pairs of one of each
	Switches int     // matches of an object with another track than at its match before
	Overlap  float64 // sum of the matches' IoU

	last    map[int]int    // of each object, the track that it was matched with last
	current map[int]int    // the same of the frame before only
	both    map[[2]int]int // in how many frames an object and a track overlap
}

// Add counts a frame. IDs must differ within objects, and within tracks.
func (s *Score) Add(objects, tracks []Labelled) {
	if s.last == nil {
		s.last, s.both = map[int]int{}, map[[2]int]int{}
	}
	s.Frames++
	s.Objects += len(objects)
	s.Boxes += len(tracks)
	now := map[int]int{}
	weights := make([]int32, len(objects)*len(tracks))
	for i, o := range objects {
		for j, t := range tracks {
			iou := IoU(o.Box, t.Box)
			if iou < 0.5 {
				continue
			}
			s.both[[2]int{o.ID, t.ID}]++
			// A match that goes on outweighs the two that could take its place, and one match more any overlap.
			w := 1<<10 + int32(iou*(1<<9))/int32(len(objects))
			if before, ok := s.current[o.ID]; ok && before == t.ID {
				w = 1 << 12
			}
			weights[i*len(tracks)+j] = w
		}
	}
	if len(weights) > 0 {
		var a assigner
		for i, j := range a.assign(weights, len(objects), len(tracks)) {
			if j >= 0 {
				s.matched(now, objects[i], tracks[j])
			}
		}
	}
	s.current = now
}

func (s *Score) matched(now map[int]int, o, t Labelled) {
	s.Matches++
	s.Overlap += float64(IoU(o.Box, t.Box))
	if before, ok := s.last[o.ID]; ok && before != t.ID {
		s.Switches++
	}
	s.last[o.ID], now[o.ID] = t.ID, t.ID
}

// MOTA is 1 - (misses + false boxes + switches) / objects. It may be below 0.
func (s *Score) MOTA() float64 {
	if s.Objects == 0 {
		return 0
	}
	return 1 - float64(s.Objects-s.Matches+s.Boxes-s.Matches+s.Switches)/float64(s.Objects)
}

// MOTP is the mean IoU of the matches.
func (s *Score) MOTP() float64 {
	if s.Matches == 0 {
		return 0
	}
	return s.Overlap / float64(s.Matches)
}

// IDF1 is 2 · the boxes that are right under the best choice of one track for each object / (objects + boxes).
func (s *Score) IDF1() float64 {
	rows, cols := map[int]int{}, map[int]int{}
	for pair := range s.both {
		number(rows, pair[0])
		number(cols, pair[1])
	}
	if len(s.both) == 0 {
		return 0
	}
	weights := make([]int32, len(rows)*len(cols))
	for pair, n := range s.both {
		weights[rows[pair[0]]*len(cols)+cols[pair[1]]] = int32(n)
	}
	right := 0
	var a assigner
	for i, j := range a.assign(weights, len(rows), len(cols)) {
		if j >= 0 {
			right += int(weights[i*len(cols)+int(j)])
		}
	}
	return 2 * float64(right) / float64(s.Objects+s.Boxes)
}

func number(m map[int]int, id int) {
	if _, ok := m[id]; !ok {
		m[id] = len(m)
	}
}
