package storagetest

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/hallmark-auth/hallmark/storage"
)

// replicaMutants are those with the records of the processes that serve.
var replicaMutants = map[string]mutant{
	"the first report stays":    {func(m *Model) Backend { return firstReport{m} }, "replicas/a report takes the place of the former"},
	"versions grow alone":       {func(m *Model) Backend { return newerReport{m} }, "replicas/a report takes the place of the former"},
	"reports, in histories":     {func(m *Model) Backend { return newerReport{m} }, "histories"},
	"replicas by name":          {func(m *Model) Backend { return nameIsKey{m} }, "replicas/a report takes the place of the former"},
	"nanoseconds of a replica":  {func(m *Model) Backend { return localReport{m} }, "replicas/a replica is found as it reported"},
	"replicas without order":    {func(m *Model) Backend { return replicasReversed{m} }, "replicas/replicas are listed by id"},
	"seen as it says":           {func(m *Model) Backend { return seenAsSaid{m} }, "replicas/the store says when one was seen"},
	"none is forgotten":         {func(m *Model) Backend { return keepsReplicas{m} }, "replicas/who reports no more is forgotten"},
	"none, in histories":        {func(m *Model) Backend { return keepsReplicas{m} }, "histories"},
	"forgotten by the clock":    {func(m *Model) Backend { return forgetsByClock{m} }, "replicas/who reports no more is forgotten"},
	"looking forgets":           {func(m *Model) Backend { return looksAway{m} }, "replicas/who reports no more is forgotten"},
	"replicas without bound":    {func(m *Model) Backend { return keepsReplicas{m} }, "replicas/as many are kept as reported last"},
	"the bound keeps the first": {func(m *Model) Backend { return fullOfReplicas{m} }, "replicas/as many are kept as reported last"},
	"the end says nothing":      {func(m *Model) Backend { return endsUnheard{m} }, "replicas/a replica that ended is gone"},
	"the end of all":            {func(m *Model) Backend { return endsAllReplicas{m} }, "replicas/a replica that ended is gone"},
	"reports by chance":         {func(m *Model) Backend { return racyReports{m} }, "replicas/replicas report at once"},
	"forgets replicas": {func(m *Model) Backend {
		with(m, func(s *state) { clear(s.replicas) })
		return m
	}, "service/a store is kept when it is closed"},
}

// firstReport keeps what is there.
type firstReport struct{ *Model }

func (b firstReport) ReportReplica(ctx context.Context, r storage.Replica) (err error) {
	known := false
	with(b.Model, func(s *state) { _, known = s.replicas[r.ID] })
	if known {
		return nil
	}
	return b.Model.ReportReplica(ctx, r)
}

// newerReport keeps what says of a newer ring.
type newerReport struct{ *Model }

func (b newerReport) ReportReplica(ctx context.Context, r storage.Replica) error {
	with(b.Model, func(s *state) { r.Version = max(r.Version, s.replicas[r.ID].Version) })
	return b.Model.ReportReplica(ctx, r)
}

// nameIsKey takes processes of another name for others.
type nameIsKey struct{ *Model }

func (b nameIsKey) ReportReplica(ctx context.Context, r storage.Replica) error {
	with(b.Model, func(s *state) {
		if was, ok := s.replicas[r.ID]; ok && was.Name != r.Name {
			was.ID = uuid.New()
			s.replicas[was.ID] = was
		}
	})
	return b.Model.ReportReplica(ctx, r)
}

// localReport keeps times as they come.
type localReport struct{ *Model }

func (b localReport) ReportReplica(ctx context.Context, r storage.Replica) error {
	err := b.Model.ReportReplica(ctx, r)
	with(b.Model, func(s *state) {
		kept := s.replicas[r.ID]
		kept.AdoptedAt, kept.SeenAt = r.AdoptedAt, r.SeenAt
		s.replicas[r.ID] = kept
	})
	return err
}

type replicasReversed struct{ *Model }

func (b replicasReversed) Replicas(ctx context.Context) ([]storage.Replica, error) {
	out, err := b.Model.Replicas(ctx)
	slices.Reverse(out)
	return out, err
}

// seenAsSaid believes the process.
type seenAsSaid struct{ *Model }

func (b seenAsSaid) ReportReplica(ctx context.Context, r storage.Replica) error {
	err := b.Model.ReportReplica(ctx, r)
	with(b.Model, func(s *state) {
		kept := s.replicas[r.ID]
		kept.Seen = r.Seen
		s.replicas[r.ID] = kept
	})
	return err
}

// keepsReplicas removes none when one reports.
type keepsReplicas struct{ *Model }

func (b keepsReplicas) ReportReplica(ctx context.Context, r storage.Replica) error {
	before := map[uuid.UUID]storage.Replica{}
	with(b.Model, func(s *state) {
		for id, r := range s.replicas {
			before[id] = r
		}
	})
	err := b.Model.ReportReplica(ctx, r)
	with(b.Model, func(s *state) {
		for id, was := range before {
			if id != r.ID {
				s.replicas[id] = was
			}
		}
	})
	return err
}

// forgetsByClock goes by the clocks of the processes.
type forgetsByClock struct{ *Model }

func (b forgetsByClock) ReportReplica(ctx context.Context, r storage.Replica) error {
	with(b.Model, func(s *state) {
		for id, other := range s.replicas {
			if r.SeenAt.Sub(other.SeenAt) >= storage.KeepReplica {
				delete(s.replicas, id)
			}
		}
	})
	return b.Model.ReportReplica(ctx, r)
}

// looksAway does not list what may be forgotten.
type looksAway struct{ *Model }

func (b looksAway) Replicas(ctx context.Context) ([]storage.Replica, error) {
	out, err := b.Model.Replicas(ctx)
	with(b.Model, func(s *state) {
		out = slices.DeleteFunc(out, func(r storage.Replica) bool { return r.ForgottenAt(s.at) })
	})
	return out, err
}

// fullOfReplicas lets nobody in when there are as many as there may be.
type fullOfReplicas struct{ *Model }

func (b fullOfReplicas) ReportReplica(ctx context.Context, r storage.Replica) error {
	full := false
	with(b.Model, func(s *state) {
		_, known := s.replicas[r.ID]
		full = !known && len(s.replicas) == storage.MaxReplicas
	})
	if full {
		return nil
	}
	return b.Model.ReportReplica(ctx, r)
}

type endsUnheard struct{ *Model }

func (b endsUnheard) RemoveReplica(ctx context.Context, id uuid.UUID) error {
	if err := b.Model.RemoveReplica(ctx, id); verdict(err) != storage.ErrNotFound {
		return err
	}
	return nil
}

type endsAllReplicas struct{ *Model }

func (b endsAllReplicas) RemoveReplica(ctx context.Context, id uuid.UUID) error {
	err := b.Model.RemoveReplica(ctx, id)
	if err == nil {
		with(b.Model, func(s *state) { clear(s.replicas) })
	}
	return err
}

// racyReports writes all of them back as they were read.
type racyReports struct{ *Model }

func (b racyReports) ReportReplica(ctx context.Context, r storage.Replica) error {
	before, err := b.Replicas(ctx)
	if err != nil {
		return err
	}
	pause()
	with(b.Model, func(s *state) {
		clear(s.replicas)
		for _, other := range before {
			s.replicas[other.ID] = other
		}
	})
	return b.Model.ReportReplica(ctx, r)
}
