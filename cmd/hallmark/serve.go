package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hallmark-auth/hallmark/discovery/verify"
	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/server/operator"
	"github.com/hallmark-auth/hallmark/server/throttle"
	"github.com/hallmark-auth/hallmark/storage"
)

type serveCmd struct{ Config }

// Help is shown above the flags.
func (*serveCmd) Help() string {
	return `Each setting is taken from its flag, or else from the environment (the name in brackets), or else from the file --config, or else by default. hallmark config show tells what that comes to, hallmark config check what would be refused. A variable that may hold a password, HALLMARK_STORE, can be given in a file: HALLMARK_STORE_FILE names it.`
}

func (c *serveCmd) Run(ctx context.Context, p *process) error {
	ctx = storage.WithAct(ctx, &storage.Act{Actor: storage.Actor{Kind: storage.System}}) // whoever started it
	g, err := newInstance(ctx, c.Config, p)
	if err != nil {
		return err
	}
	return errors.Join(g.Run(ctx), g.Close())
}

// An instance is a server with everything it needs. New opens, Run serves until
// its context ends, Close lets go.
type instance struct {
	cfg     Config
	process *process
	log     *slog.Logger
	*office
	server      *server.Server
	presence    *presence
	public, ops *listener
	draining    atomic.Bool
	announcer   *announcer

	demo    *demo         // nil: not a demo
	demoAPI http.Handler  // there when demoUp is closed
	demoUp  chan struct{} // closed when the demo API serves
}

// newInstance takes what can be taken by somebody else first, then looks before
// it makes anything: a start that fails leaves what is there as it was.
func newInstance(ctx context.Context, cfg Config, p *process) (_ *instance, err error) {
	g := &instance{cfg: cfg, process: p, log: p.logger(cfg.Logging), demoUp: make(chan struct{})}
	g.announcer = newAnnouncer(cfg.AnnounceCommand, p.environ, g.log)
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if err := p.refuse(cfg); err != nil {
		return nil, err
	}
	cfg.warn(g.log)
	if g.public, err = listen("--listen", cfg.Listen, g.log); err != nil {
		return nil, err
	}
	if g.ops, err = listen("--ops-listen", cfg.OpsListen, g.log); err != nil {
		return nil, err
	}
	if g.cfg.Issuer == "" { // a demo's; check wants it of others
		g.cfg.Issuer = "http://" + reachable(g.public.address())
	}
	if err := checkIssuer(g.cfg.Issuer); err != nil {
		return nil, err
	}
	for i, l := range []*listener{g.public, g.ops} {
		if err := g.secure(l, cfg.pairs()[i]); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(context.Context) error{g.open, g.build, g.startKeys, g.prepareDemo, g.lookForSite} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// open opens the data and makes what is not there yet.
func (g *instance) open(ctx context.Context) error {
	path, err := g.cfg.storePath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(g.cfg.Data, 0o700); err != nil {
		return fail(exitUnusable, "--data: %w; name a directory that can be made or written", err)
	}
	if g.office, err = g.process.openStore(ctx, path, g.cfg.PasswordWorkers, g.log); err != nil {
		return err
	}
	if g.cfg.Demo {
		if g.demo, err = loadDemo(g.cfg.Data); err != nil {
			return err
		}
		if err := g.demo.refuse(ctx, g.store); err != nil {
			return err
		}
	}
	g.store.KeepRecords(storage.Retention{Age: g.cfg.AuditAge, Rows: g.cfg.AuditRows})
	g.presence = newPresence(g.store)
	return g.openKeys(ctx, g.process, g.cfg.Place, keys.RotatorConfig{
		Schedule: g.cfg.schedule(), OnChange: g.publish, Report: g.presence.report, Log: g.log,
	})
}

// build makes the server and puts it behind the listeners.
func (g *instance) build(context.Context) error {
	proxies, err := g.cfg.proxies()
	if err != nil {
		return err
	}
	old, err := g.cfg.OldTokens.read()
	if err != nil {
		return fail(exitUnusable, "--simplejwt-old-key-file: %w", err)
	}
	g.server, err = server.New(server.Config{
		Issuer:         g.cfg.Issuer,
		AccessLifetime: g.cfg.AccessLifetime, IdleLifetime: g.cfg.IdleLifetime, AbsoluteLifetime: g.cfg.AbsoluteLifetime,
		Store: g.store, Keys: g.office.keys, Operator: &g.office.Operator, Passwords: g.pool, Throttle: throttle.New(throttle.Config{}, time.Now),
		Log: g.log, Ready: g.ready, TrustedProxies: proxies, SimpleJWT: g.cfg.simpleJWT(old),
	})
	if err != nil {
		return usage("%w", err)
	}
	g.public.Handler, g.ops.Handler = g.server.Handler(), g.server.OpsHandler()
	if g.demo != nil {
		g.public.Handler = g.besideDemo(g.public.Handler)
	}
	return nil
}

// startKeys loads the ring, or makes it in a new store.
func (g *instance) startKeys(ctx context.Context) error {
	if err := g.office.keys.Start(ctx); err != nil {
		return err
	}
	ring := g.office.keys.Ring()
	if err := g.cfg.refuseBlind(ring); err != nil {
		return err
	}
	if s := ring.Schedule(); g.cfg.AccessLifetime > s.LongestToken() {
		return usage("--access-lifetime: %s", operator.TooLong(g.cfg.AccessLifetime, s))
	}
	if ignored := g.cfg.ignored(ring.Schedule()); len(ignored) > 0 {
		g.log.Warn("the key schedule is kept in the store: these settings are for a new one and are ignored", "settings", ignored)
	}
	return g.server.Publish(ring)
}

// lookForSite says at the start what would be in the log of the first request
// only: a client may also be added later.
func (g *instance) lookForSite(ctx context.Context) error {
	id := g.cfg.SimpleJWTClient
	if id == "" {
		return nil
	}
	_, err := g.store.ClientByID(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		g.log.Warn("--simplejwt-client names a client that is not there: Simple JWT's paths answer 500 until it is added", "client_id", id)
		return nil
	}
	return err
}

// publish is called with every new ring before it signs.
func (g *instance) publish(ring keys.Ring) {
	if err := g.server.Publish(ring); err != nil {
		g.log.Error("the key set is not up to date", "error", err)
	}
	g.announcer.look(ring)
}

// ready says why the process should get no requests.
func (g *instance) ready(ctx context.Context) error {
	if g.draining.Load() {
		return errors.New("shutting down")
	}
	if err := g.office.keys.Healthy(); err != nil {
		return err
	}
	return g.store.Check(ctx)
}

// Run serves until ctx ends, then finishes the requests that are under way.
func (g *instance) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(work)
	group.Go(func() error { g.office.keys.Run(failed); return nil })
	group.Go(func() error { g.store.Maintain(failed); return nil })
	group.Go(func() error { g.server.Run(failed); return nil })
	group.Go(func() error { g.announcer.run(failed); return nil })
	for _, l := range []*listener{g.public, g.ops} {
		group.Go(l.serve)
		if l.certificate != nil {
			group.Go(func() error { return l.certificate.watch(failed) })
		}
	}
	group.Go(func() error { return g.announce(ctx) })
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	g.drain()
	stop()
	err := group.Wait()
	if err := g.presence.leave(context.WithoutCancel(ctx)); err != nil {
		g.log.Warn("hallmark keys list goes on to show this process, for a day", "error", err)
	}
	return err
}

// announce says that the server is there.
func (g *instance) announce(ctx context.Context) error {
	g.log.Info("serving", "issuer", g.cfg.Issuer, "public", g.public.address().String(), "operators", g.ops.address().String(), "version", version())
	if g.demo == nil {
		return nil
	}
	api, closeAPI, err := g.demo.startAPI(ctx, g.public.address(), verify.WithLogger(g.log))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, closeAPI)
	g.demoAPI = api
	close(g.demoUp)
	return g.demo.print(g.process.stdout)
}

// drain stops accepting and waits for what was accepted, for a while.
func (g *instance) drain() {
	g.draining.Store(true)
	g.log.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for _, l := range []*listener{g.public, g.ops} {
		if err := l.Shutdown(ctx); err != nil {
			g.log.Warn("requests were cut off", "after", drainTimeout, "error", err)
			_ = l.Close() // what is left of it
		}
	}
}

// Close lets go of whatever New took.
func (g *instance) Close() error {
	var errs []error
	for _, l := range []*listener{g.public, g.ops} {
		if l != nil {
			if err := l.socket.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if g.office != nil {
		errs = append(errs, g.office.Close())
	}
	return errors.Join(errs...)
}
