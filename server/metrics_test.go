package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/hallmark-auth/hallmark/keys"
	"github.com/hallmark-auth/hallmark/server"
	"github.com/hallmark-auth/hallmark/storage"
)

// metrics are what a server says of itself: samples by name and labels.
type metrics map[string]float64

// scrape reads /metrics as Prometheus does, and has its linter look at it.
func scrape(t *testing.T, s *server.Server) (metrics, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.OpsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("/metrics answers %d %s %s", w.Code, w.Header().Get("Content-Type"), text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the linter says %v, %v of\n%s", problems, err, text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	m := metrics{}
	for name, family := range families {
		for _, sample := range family.Metric {
			m[name+labels(sample)] = sample.GetCounter().GetValue() + sample.GetGauge().GetValue() + float64(sample.GetHistogram().GetSampleCount())
		}
	}
	return m, text
}

func labels(sample *dto.Metric) string {
	var pairs []string
	for _, l := range sample.Label {
		pairs = append(pairs, fmt.Sprintf("%s=%s", l.GetName(), l.GetValue()))
	}
	if pairs == nil {
		return ""
	}
	slices.Sort(pairs)
	return "{" + strings.Join(pairs, ",") + "}"
}

// TestMetrics: requests are counted once, by names of ours; the key ring is
// told as it is; nothing that a caller sent is in there.
func TestMetrics(t *testing.T) {
	k := newKit(t, "")
	web, ada := k.addClient("web-4711", storage.AuthNone), k.addUser("ada-0815")
	first := k.login(ada, web)
	for range 3 {
		first = k.refresh(web, first.str("refresh_token"))
	}
	k.post(form("grant_type", "refresh_token", "client_id", web.ID, "refresh_token", "chosen-by-somebody"))
	for i := range 50 {
		r, err := http.NewRequest(fmt.Sprintf("CHOSEN%d", i), fmt.Sprintf("%s/chosen-by-somebody/%d", k.issuer, i), nil)
		k.must(err)
		r.Header.Set("User-Agent", "chosen-by-somebody")
		k.record(k.do(r))
	}
	m, text := scrape(t, k.server)
	for sample, want := range map[string]float64{
		"hallmark_requests_total{endpoint=token,status=2xx}":               4,
		"hallmark_requests_total{endpoint=token,status=4xx}":               1,
		"hallmark_requests_total{endpoint=none,status=4xx}":                50,
		"hallmark_request_duration_seconds{endpoint=token}":                5,
		"hallmark_key_ring_version":                                        1,
		"hallmark_key_ring_stale":                                          0,
		"hallmark_key_ring_look_failures_total":                            0,
		"hallmark_key_ring_published_keys{alg=ES256,state=signing}":        1,
		"hallmark_key_ring_published_keys{alg=RS256,state=waiting}":        1,
		"hallmark_key_ring_published_keys{alg=RS256,state=retired}":        0,
		"hallmark_key_next_rotation_timestamp_seconds{alg=ES256}":          nextOf(k, keys.ES256),
		"hallmark_key_next_rotation_timestamp_seconds{alg=RS256}":          nextOf(k, keys.RS256),
		"hallmark_request_duration_seconds{endpoint=chosen-by-somebody/1}": 0,
	} {
		if got := m[sample]; got < want-1e-3 || got > want+1e-3 {
			t.Errorf("%s is %v, want %v", sample, got, want)
		}
	}
	if age, ok := m["hallmark_key_ring_look_age_seconds"]; !ok || age <= 0 || age > 60 {
		t.Errorf("the last look was %v s ago", age)
	}
	secrets := []string{"chosen", "CHOSEN", ada.Name, ada.ID.String(), ada.password, web.ID, k.issuer, first.str("access_token"), first.str("refresh_token")}
	for _, key := range k.keys.Ring().Keys() {
		secrets = append(secrets, key.ID)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the metrics", secret)
		}
	}
	if len(m) > 200 {
		t.Errorf("%d samples", len(m))
	}

	// A key that waits no more, and a retired one.
	before := nextOf(k, keys.ES256)
	_, err := k.keys.Edit(t.Context(), func(r keys.Ring, now keys.Instant, _ keys.Generate) (keys.Ring, error) {
		return r.Rotate(keys.ES256, now, true)
	})
	k.must(err)
	m, _ = scrape(t, k.server)
	if m["hallmark_key_ring_version"] != 2 || m["hallmark_key_ring_published_keys{alg=ES256,state=retired}"] != 1 ||
		m["hallmark_key_next_rotation_timestamp_seconds{alg=ES256}"] == before {
		t.Errorf("after a rotation: %v", m)
	}
}

// TestMetricsDoc: docs/operations.md tells of each metric, and its rules are
// about metrics that there are.
func TestMetricsDoc(t *testing.T) {
	k := newKit(t, "")
	k.record(k.post(form("grant_type", "nothing")))
	_, text := scrape(t, k.server)
	doc, err := os.ReadFile("../docs/operations.md")
	k.must(err)
	name := regexp.MustCompile(`\bhallmark_[a-z_]+`)
	there, told := map[string]bool{}, map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(line[1], "hallmark_") {
			there[line[1]] = true
		}
	}
	for _, line := range regexp.MustCompile("(?m)^\\| `(hallmark_[a-z_]+)`").FindAllStringSubmatch(string(doc), -1) {
		told[line[1]] = true
	}
	if !maps.Equal(there, told) || len(told) == 0 {
		t.Errorf("there are %v; docs/operations.md tells of %v", there, told)
	}
	for _, used := range name.FindAllString(string(doc), -1) {
		if !there[used] {
			t.Errorf("docs/operations.md names %s", used)
		}
	}
}

// nextOf is when the waiting key of a line signs.
func nextOf(k *kit, alg keys.Algorithm) float64 {
	s := k.keys.Status()
	for _, key := range s.Ring.Keys() {
		if key.Algorithm == alg && s.Ring.State(key, s.Now) == keys.Waiting {
			return float64(key.SignsFrom.UnixMicro()) / 1e6
		}
	}
	k.Fatalf("no key of %s waits", alg)
	return 0
}

// TestMetricsOfTwoServers: each has its own.
func TestMetricsOfTwoServers(t *testing.T) {
	a, b := newKit(t, ""), newKit(t, "")
	a.post(form("grant_type", "nothing"))
	a.post(form("grant_type", "nothing"))
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		one, _ := scrape(t, a.server)
		if one["hallmark_requests_total{endpoint=token,status=4xx}"] == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not counted: %v", one)
		}
	}
	if other, _ := scrape(t, b.server); other["hallmark_requests_total{endpoint=token,status=4xx}"] != 0 {
		t.Errorf("counted at another server: %v", other)
	}
}
