package api

import (
	"bytes"
	"errors"
	"image"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/kernels"
)

// Limits of pictures that are sent.
const (
	maxPicture = 16 * mb // bytes of the file
	maxPixels  = 1 << 24 // once it is decoded
	maxField   = 4096    // bytes of a text
)

// pictureForms are a picture as the body itself, or as a part of it.
func pictureForms() []form {
	return []form{{media: "image/*", most: maxPicture}, {media: "multipart/form-data", parts: []part{{name: "picture", about: "JPEG, PNG, WebP, BMP or GIF", file: true, most: 1}}, most: maxPicture + 64<<10}}
}

// readParts reads a body of several parts, all of it in memory and none of it by its file name.
func (f *form) readParts(r *request, in io.Reader, boundary string) error {
	if boundary == "" || len(boundary) > 70 {
		return problem(http.StatusBadRequest, "the Content-Type names no boundary")
	}
	r.fields, r.files = map[string][]string{}, map[string][][]byte{}
	m := multipart.NewReader(in, boundary)
	for {
		p, err := m.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.readPart(r, p); err != nil {
			return err
		}
	}
}

func (f *form) readPart(r *request, p *multipart.Part) error {
	name := p.FormName()
	for _, want := range f.parts {
		if want.name != name {
			continue
		}
		if len(r.fields[name])+len(r.files[name]) >= want.most {
			return problem(http.StatusBadRequest, "there are more than %d parts %q", want.most, name)
		}
		most := int64(maxField)
		if want.file {
			most = maxPicture
		}
		b, err := io.ReadAll(io.LimitReader(p, most+1))
		if err != nil {
			return err
		}
		if int64(len(b)) > most {
			return tooLarge(most)
		}
		if want.file {
			r.files[name] = append(r.files[name], b)
		} else {
			r.fields[name] = append(r.fields[name], string(b))
		}
		return nil
	}
	return problem(http.StatusBadRequest, "the part %q is not meant", name)
}

// picture decodes one that was sent, by name or as the body itself.
func (r *request) picture(name string) (kernels.Picture, error) {
	b := r.blob
	if r.files != nil {
		if len(r.files[name]) != 1 {
			return kernels.Picture{}, problem(http.StatusBadRequest, "the part %q is missing", name)
		}
		b = r.files[name][0]
	}
	return decode(b)
}

// decode decodes a picture of bounded size.
func decode(b []byte) (kernels.Picture, error) {
	if c, _, err := image.DecodeConfig(bytes.NewReader(b)); err == nil && (c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height) {
		return kernels.Picture{}, problem(http.StatusUnprocessableEntity, "the picture has %dx%d pixels; at most %d million are taken: make it smaller", c.Width, c.Height, maxPixels/mb)
	}
	f, err := still.Decode(b)
	if err != nil {
		return kernels.Picture{}, problem(http.StatusUnprocessableEntity, "the picture: %v", err)
	}
	return kernels.Picture{Format: kernels.RGB, W: f.Width, H: f.Height, Stride: f.Stride, Pix: f.Data}, nil
}
