package server

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hallmark-auth/hallmark/keys"
)

// metrics are what /metrics tells: requests, counted where they are logged, and
// the key ring as it is when somebody asks. Labels have names of ours only,
// never what a caller sent, so their number is bounded and nothing in them is
// secret.
type metrics struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	handler  http.Handler
}

// maxScrapes are answered at once.
const maxScrapes = 4

// newMetrics makes the metrics of one server, in a registry of its own.
func newMetrics(status func() keys.Status) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hallmark_requests_total",
			Help: "Requests by endpoint and class of status; those for metadata and the key set are not counted.",
		}, []string{"endpoint", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hallmark_request_duration_seconds",
			Help:    "How long requests took, by endpoint. A failed sign-in is held back on purpose.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint"}),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.requests, m.took, newRingMetrics(status),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes})
	return m
}

// count counts a request.
func (m *metrics) count(endpoint string, status int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status/100)+"xx").Inc()
	m.took.WithLabelValues(endpoint).Observe(took.Seconds())
}

// ringMetrics describe the key ring that the process goes by.
type ringMetrics struct {
	status func() keys.Status

	version, age, failures, stale, published, next *prometheus.Desc
}

func newRingMetrics(status func() keys.Status) ringMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return ringMetrics{
		status:    status,
		version:   desc("hallmark_key_ring_version", "Version of the key ring that this process goes by."),
		age:       desc("hallmark_key_ring_look_age_seconds", "Time since this process last looked at the stored key ring with success."),
		failures:  desc("hallmark_key_ring_look_failures_total", "Looks at the stored key ring that failed since the process began."),
		stale:     desc("hallmark_key_ring_stale", "1 if the last good look is older than three polls: the process signs on with the keys at hand and is not ready."),
		published: desc("hallmark_key_ring_published_keys", "Keys in the key set, by algorithm and state (waiting, signing, retired).", "alg", "state"),
		next:      desc("hallmark_key_next_rotation_timestamp_seconds", "When the next key of an algorithm signs, by the timetable; absent if none waits.", "alg"),
	}
}

// Describe is for the registry.
func (m ringMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.version, m.age, m.failures, m.stale, m.published, m.next} {
		out <- d
	}
}

// Collect looks at the ring once and tells everything of that look.
func (m ringMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.status()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(m.version, float64(s.Ring.Version()))
	gauge(m.age, s.LookAge.Seconds())
	out <- prometheus.MustNewConstMetric(m.failures, prometheus.CounterValue, float64(s.Failures))
	stale := 0.0
	if s.Stale {
		stale = 1
	}
	gauge(m.stale, stale)
	for _, line := range linesOf(s) {
		for _, state := range []keys.State{keys.Waiting, keys.Signing, keys.Retired} {
			gauge(m.published, float64(line.published[state]), line.alg, string(state))
		}
		if !line.next.IsZero() {
			gauge(m.next, float64(line.next.UnixMicro())/1e6, line.alg)
		}
	}
}

// A lineStatus sums up the keys of one algorithm.
type lineStatus struct {
	alg       string
	published map[keys.State]int
	next      time.Time // the first SignsFrom of a waiting key; zero without one
}

// linesOf tells of the schedule's algorithms and of those that still have keys.
func linesOf(s keys.Status) (lines []lineStatus) {
	of := func(alg keys.Algorithm) *lineStatus {
		i := slices.IndexFunc(lines, func(l lineStatus) bool { return l.alg == string(alg) })
		if i < 0 {
			i, lines = len(lines), append(lines, lineStatus{alg: string(alg), published: map[keys.State]int{}})
		}
		return &lines[i]
	}
	for _, alg := range s.Ring.Schedule().Algorithms {
		of(alg)
	}
	for _, k := range s.Ring.Published(s.Now.Wall) {
		line, state := of(k.Algorithm), s.Ring.State(k, s.Now)
		line.published[state]++
		if state == keys.Waiting && (line.next.IsZero() || k.SignsFrom.Before(line.next)) {
			line.next = k.SignsFrom
		}
	}
	return lines
}
