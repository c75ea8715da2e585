package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// How long a generated certificate is valid, and how long before its end another one is made.
const (
	certLife  = 397 * 24 * time.Hour
	certRenew = 30 * 24 * time.Hour
	certCheck = time.Minute    // how often it is looked whether the files have changed
	certSay   = 24 * time.Hour // how often the same fault of theirs is logged
)

// Certificate is what the program proves itself with over TLS: files of the owner, or ones that are made in a folder.
type Certificate struct {
	cert, key string
	own       bool // the files are made here
	log       *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	checked time.Time
	stamp   [2]time.Time
	fault   string    // why the files were not taken up at the last look; "" where they were
	said    time.Time // when that was logged
}

// OpenCertificate reads a certificate and its key from PEM files. Where both names are empty, they are cert.pem and key.pem in dir, which are made when
// they are missing or about to expire; each of those that comes into force is logged with its SHA-256.
func OpenCertificate(cert, key, dir string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, log: log}
	if (cert == "") != (key == "") {
		return nil, errors.New("a certificate and its key are given together")
	}
	if cert == "" {
		c.own, c.cert, c.key = true, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	_, err := c.get(time.Now())
	return c, err
}

// Config returns the settings of a TLS server. Certificates that change on disk are taken up within a minute.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(time.Now()) }}
}

// fingerprint returns the SHA-256 of a certificate, as browsers show it.
func fingerprint(p *tls.Certificate) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(p.Certificate[0])), " ", ":")
}

// get returns the certificate in force. One that was read stays in force where its files cannot be read any more.
func (c *Certificate) get(now time.Time) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pair != nil && now.Sub(c.checked) < certCheck && now.After(c.checked) {
		return c.pair, nil
	}
	c.checked = now
	if c.own {
		if err := c.renew(now); err != nil {
			return c.fallback(now, err)
		}
	}
	var stamp [2]time.Time
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return c.fallback(now, err)
		}
		stamp[i] = info.ModTime()
	}
	if c.pair != nil && stamp == c.stamp {
		c.fault = ""
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return c.fallback(now, fmt.Errorf("%s and %s: %w", c.cert, c.key, err))
	}
	c.pair, c.stamp, c.fault = &pair, stamp, ""
	if c.own {
		c.log.Info("the certificate is this device's own", "sha256", fingerprint(c.pair), "until", c.pair.Leaf.NotAfter)
	}
	return c.pair, nil
}

// fallback returns the certificate that was in force before the look at now failed, and logs why it did.
func (c *Certificate) fallback(now time.Time, err error) (*tls.Certificate, error) {
	if c.pair == nil {
		return nil, err
	}
	if text := err.Error(); text != c.fault || now.Sub(c.said) >= certSay {
		c.fault, c.said = text, now
		what := "the certificate's files cannot be read: the one before stays in force"
		if c.own {
			what = "the device's own certificate cannot be read or renewed: the one before stays in force"
		}
		c.log.Error(what, "error", err, "until", c.pair.Leaf.NotAfter)
	}
	return c.pair, nil
}

// renew makes a certificate where there is none that lasts.
func (c *Certificate) renew(now time.Time) error {
	if pair, err := tls.LoadX509KeyPair(c.cert, c.key); err == nil && pair.Leaf != nil && pair.Leaf.NotAfter.After(now.Add(certRenew)) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// A pair whose halves do not fit was cut off between them by a power cut; it is made anew as well.
		if _, certErr := os.Stat(c.cert); certErr != nil && !errors.Is(certErr, fs.ErrNotExist) {
			return certErr
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	t := &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	t.DNSNames, t.IPAddresses = names()
	t.Subject = pkix.Name{CommonName: t.DNSNames[0], Organization: []string{"Ocellus"}}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(c.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})); err != nil {
		return err
	}
	return writeFile(c.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
}

// names are those under which the device may be asked for.
func names() (dns []string, ips []net.IP) {
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		short, _, _ := strings.Cut(host, ".")
		dns = append(dns, host)
		if short != host {
			dns = append(dns, short)
		}
		dns = append(dns, short+".local")
	}
	dns = append(dns, "localhost")
	ips = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return dns, ips
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP)
		}
	}
	return dns, ips
}

// writeFile writes a file that only its owner may read, whole or not at all.
func writeFile(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
