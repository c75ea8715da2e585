package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/cmd/internal/version"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/api"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/metrics"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/out"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/people"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/web"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// parts are what stands around the cameras.
type parts struct {
	teacher *teach.Teacher
	auth    *auth.Auth
	book    *people.Book
	eyes    *people.Eyes
	models  *models.Store
	out     *out.Out
	api     *api.API
	server  *server
	used    *config.Config // the settings in force, as the file has them
}

// openParts opens all and the cameras. What was opened before an error is closed by close.
func (d *daemon) openParts(ctx context.Context, c *config.Config) (err error) {
	dir := d.store.Dir()
	if d.teacher, err = d.openTeacher(ctx, c); err != nil {
		return fmt.Errorf("teach: %w", err)
	}
	d.watch = watch.New(watch.Options{Store: d.store, Log: d.log, Judge: d.teacher})
	if err = d.watch.Apply(c); err != nil {
		return err
	}
	if d.auth, err = auth.New(ctx, d.store, d.log, nil); err != nil {
		return err
	}
	if d.book, err = people.Open(d.store, filepath.Join(dir, "device.key"), d.watch.SetGallery); err != nil {
		return err
	}
	d.eyes = people.NewEyes(d.book, d.watch.FaceNets)
	if d.models, err = models.Open(d.store, filepath.Join(dir, "models"), d.swap); err != nil {
		return err
	}
	if err := d.models.Restore(ctx); err != nil {
		d.log.Error("a network that was in use is not", "error", err)
	}
	d.greet(ctx)
	if d.out, err = out.New(out.Options{Store: d.store, Watch: d.watch, Hub: d.watch.Events(), Log: d.log, Version: version.Get().Version}); err != nil {
		return err
	}
	if err := d.out.Apply(c); err != nil {
		return err
	}
	d.api = api.New(api.Options{Auth: d.auth, Store: d.store, Watch: d.watch, Hub: d.watch.Events(), Faces: d.eyes, People: d.book, Teach: d.teacher, Models: d.models,
		Outbox: func() any { return d.out.Status() }, Page: web.Handler(), Version: version.Get().Version, Log: d.log,
		Metrics: metrics.Handler(metrics.Options{Watch: d.watch.Status, Out: d.out.Status, Store: d.store, Version: version.Get().Version})})
	d.server = &server{log: d.log, dir: dir, auth: d.auth, handler: d.api.Handler()}
	d.used = c
	return d.server.apply(c)
}

// closeParts closes what openParts opened, the last first.
func (d *daemon) closeParts() {
	if d.api != nil {
		d.api.Stop()
	}
	if d.server != nil {
		d.server.Close()
	}
	if d.watch != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		d.watch.Close(ctx)
	}
	if d.out != nil {
		d.out.Close()
	}
	if d.teacher != nil {
		d.teacher.Close()
	}
}

// openTeacher opens the classifier that is taught.
func (d *daemon) openTeacher(ctx context.Context, c *config.Config) (*teach.Teacher, error) {
	o := teach.Options{DB: d.store, Dir: filepath.Join(d.store.Dir(), "teach"), Log: d.log, Memory: int64(c.Teach.Memory), Time: c.Teach.Time, Threads: c.Threads,
		Version: version.Get().Version, Busy: func() bool { return d.watch.Status().Load.Step > 0 }}
	var err error
	if c.Teach.Model != "" {
		f, err := cards.ReadFile(c.Teach.Model)
		if err != nil {
			return nil, err
		}
		o.File = f.Bytes
		if o.Source, err = f.Sum(); err != nil {
			return nil, err
		}
		if o.Model, err = f.Model(); err != nil {
			d.log.Error("teach.model is used without what lies beside it", "error", err)
			o.Model = o.File
		}
	} else {
		o.Model, err = zoo.Default(zoo.PedestrianWindow)
		var missing *zoo.MissingError
		if errors.As(err, &missing) {
			o.Why, err = err.Error()+": name a classifier under teach.model", nil
		}
	}
	if err != nil {
		return nil, err
	}
	return teach.Open(ctx, o)
}

// swap puts a network in force, and makes known whom it knows.
func (d *daemon) swap(ctx context.Context, task, path string) error {
	if err := d.watch.SwapModel(ctx, task, path); err != nil {
		return err
	}
	d.greet(ctx)
	return nil
}

// greet makes known the people whom the networks in use know.
func (d *daemon) greet(ctx context.Context) {
	var none *people.UnavailableError
	if err := d.eyes.Ready(ctx); err != nil && !errors.As(err, &none) {
		d.log.Error("not all people are known", "error", err)
	}
}

// errHalf says that settings were refused and those before them could not be used again.
var errHalf = errors.New("and the settings before are not wholly in force again")

// apply makes changed settings true. Where that fails those before hold as they did; where they do not the error is errHalf.
func (d *daemon) apply(ctx context.Context, c *config.Config) error {
	tell, err := d.out.Prepare(c)
	if err != nil {
		return err
	}
	listen, err := d.server.prepare(c)
	if err != nil {
		return err
	}
	defer listen.end()
	begun := false
	err = d.watch.Apply(c, func() error {
		begun = true
		if err := listen.do(); err != nil {
			return err
		}
		return tell()
	})
	if err != nil && begun {
		if again := errors.Join(d.watch.Apply(d.used), d.server.apply(d.used), d.out.Apply(d.used)); again != nil {
			return errors.Join(err, errHalf, again)
		}
	}
	if err != nil {
		return err
	}
	was := d.used
	d.used = c
	d.greet(ctx)
	d.teacher.Bound(int64(c.Teach.Memory), c.Teach.Time)
	if was.Teach.Model != c.Teach.Model || was.Threads != c.Threads {
		d.log.Warn("teach: another classifier or number of threads holds from the next start on")
	}
	return nil
}
