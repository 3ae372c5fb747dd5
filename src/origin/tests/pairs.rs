//! Domains of credentials, each with an origin and what becomes of a request to supply it. The tests of this module go
//! through it, and those of the component in `host-tests`.

/// What a refusal's message contains; `None` stands for release.
pub type Outcome = Option<&'static str>;

pub const RELEASED: Outcome = None;
pub const NOT_BELOW: Outcome = Some("or a host below it");
pub const OTHER_OWNERS: Outcome = Some("other owners");
pub const ADDRESS: Outcome = Some("IP address of the credential as its host, exactly");
pub const SCHEME: Outcome = Some("scheme https");
pub const NOT_A_URL: Outcome = Some("begins with a scheme");
pub const USER_INFO: Outcome = Some("user info");
pub const SEVERAL_AT: Outcome = Some("an @");
pub const CHARACTER: Outcome = Some("made of letters");
pub const INTERNATIONAL: Outcome = Some("A-label form (xn--...)");
pub const WHITE_SPACE: Outcome = Some("white space");
pub const NO_HOST: Outcome = Some("name a host");
pub const LABEL: Outcome = Some("labels of 1 to 63");
pub const BAD_ADDRESS: Outcome = Some("IPv4 address of four");
pub const PORT: Outcome = Some("port of 0 to 65535");

/// Domain, origin and outcome.
pub type Pair = (&'static str, &'static str, Outcome);

pub const ALL: [&[Pair]; 12] = [
    EQUAL_HOSTS,
    HOSTS_BELOW_BY_WHOLE_LABELS,
    LOOK_ALIKES,
    INTERNATIONAL_NAMES,
    USER_INFO_AND_SEPARATORS,
    PORTS_AND_DOTS,
    SCHEMES,
    LOOPBACK,
    SINGLE_LABELS,
    APPS,
    ADDRESSES,
    PUBLIC_SUFFIXES,
];

const EQUAL_HOSTS: &[Pair] = &[
    ("example.com", "https://example.com", RELEASED),
    ("example.com", "https://example.com/", RELEASED),
    ("example.com", "https://example.com/login?next=https://evil.test/#@evil.test", RELEASED),
    ("example.com", "https://example.com?@evil.test", RELEASED),
    ("example.com", "https://example.com#@evil.test", RELEASED),
    ("example.com", "https://example.com/\\evil.test", RELEASED),
    ("example.com", "https://example.com/@evil.test", RELEASED),
    ("example.com", "https://example.com/b\u{fc}ro", RELEASED),
    ("example.com", "HTTPS://EXAMPLE.COM", RELEASED),
    ("EXAMPLE.com.", "https://Example.Com./", RELEASED),
    ("example.com", "https://example.com.", RELEASED),
    ("example.com", "https://example.com:443", RELEASED),
    ("example.com", "https://example.com:8443/login", RELEASED),
    ("example.com", "https://example.com:0", RELEASED),
    ("example.com:8443", "https://example.com", RELEASED),
    ("my_site.example.com", "https://my_site.example.com", RELEASED),
];

const HOSTS_BELOW_BY_WHOLE_LABELS: &[Pair] = &[
    ("example.com", "https://www.example.com", RELEASED),
    ("example.com", "https://a.b.c.example.com/x", RELEASED),
    ("example.com", "https://WWW.EXAMPLE.COM.:443", RELEASED),
    ("accounts.example.com", "https://eu.accounts.example.com", RELEASED),
    ("example.co.uk", "https://login.example.co.uk", RELEASED),
    ("alice.github.io", "https://www.alice.github.io", RELEASED),
    ("www.ck", "https://login.www.ck", RELEASED),
    ("example.internal", "https://vault.example.internal", RELEASED),
    ("app.localhost", "https://x.app.localhost", RELEASED),
    // The other way round is not below.
    ("accounts.example.com", "https://example.com", NOT_BELOW),
    ("accounts.example.com", "https://www.example.com", NOT_BELOW),
    ("www.example.com", "https://example.com", NOT_BELOW),
];

const LOOK_ALIKES: &[Pair] = &[
    ("example.com", "https://evil-example.com", NOT_BELOW),
    ("example.com", "https://evilexample.com", NOT_BELOW),
    ("example.com", "https://_example.com", NOT_BELOW),
    ("example.com", "https://example.com.evil.test", NOT_BELOW),
    ("example.com", "https://example.com-evil.test", NOT_BELOW),
    ("example.com", "https://example.comevil.test", NOT_BELOW),
    ("example.com", "https://example.org", NOT_BELOW),
    ("example.com", "https://example.co", NOT_BELOW),
    ("example.com", "https://example.co.m", NOT_BELOW),
    ("example.com", "https://xample.com", NOT_BELOW),
    ("example.com", "https://examp1e.com", NOT_BELOW),
    ("example.com", "https://exam-ple.com", NOT_BELOW),
    ("example.com", "https://evil.test/example.com", NOT_BELOW),
    ("example.com", "https://evil.test?example.com", NOT_BELOW),
    ("example.com", "https://evil.test#.example.com", NOT_BELOW),
    ("example.com", "https://evil.test?https://example.com", NOT_BELOW),
    ("example.com", "https://evil.test:443/example.com", NOT_BELOW),
    ("example.com", "https://localhost", NOT_BELOW),
];

const INTERNATIONAL_NAMES: &[Pair] = &[
    ("xn--bcher-kva.example", "https://xn--bcher-kva.example", RELEASED),
    ("xn--bcher-kva.example", "https://XN--BCHER-KVA.example", RELEASED),
    ("xn--bcher-kva.example", "https://shop.xn--bcher-kva.example", RELEASED),
    ("xn--bcher-kva.example", "https://bcher.example", NOT_BELOW),
    ("xn--bcher-kva.example", "https://xn--bchr-5oa.example", NOT_BELOW),
    // The form that people read, on either side or both.
    ("xn--bcher-kva.example", "https://b\u{fc}cher.example", RELEASED),
    ("b\u{fc}cher.example", "https://xn--bcher-kva.example", RELEASED),
    ("https://B\u{dc}CHER.example/", "https://shop.b\u{fc}cher.example/b\u{fc}ro", RELEASED),
    ("b\u{fc}rgerhaus.de", "https://obs.xn--brgerhaus-q9a.de/", RELEASED),
    ("stra\u{df}e.example", "https://xn--strae-oqa.example", RELEASED),
    // As the browsers of 2010 had it, and another name today.
    ("stra\u{df}e.example", "https://strasse.example", NOT_BELOW),
    ("\u{3c6}\u{3cc}\u{3c1}\u{3bf}\u{3c2}.example", "https://xn--0xaden4a.example", RELEASED),
    ("\u{43f}\u{43e}\u{447}\u{442}\u{430}.\u{440}\u{444}", "https://xn--80a1acny.xn--p1ai", RELEASED),
    ("\u{4f8b}\u{3048}.jp", "https://www.xn--r8jz45g.jp", RELEASED),
    ("\u{d55c}\u{ad6d}.kr", "https://xn--3e0b707e.kr", RELEASED),
    ("b\u{fc}cher.example", "https://bucher.example", NOT_BELOW),
    ("b\u{fc}cher.example", "https://buecher.example", NOT_BELOW),
    // A suffix in either spelling.
    ("\u{516c}\u{53f8}.cn", "https://example.xn--55qx5d.cn", OTHER_OWNERS),
    // Cyrillic a in the first letter's place.
    ("apple.com", "https://xn--pple-43d.com", NOT_BELOW),
    ("apple.com", "https://\u{430}pple.com", NOT_BELOW),
    ("\u{430}pple.com", "https://apple.com", NOT_BELOW),
    // Browsers turn these into ASCII letters, dots and slashes, or drop them.
    ("example.com", "https://\u{ff45}xample.com", INTERNATIONAL),
    ("example.com", "https://example\u{3002}com", INTERNATIONAL),
    ("example.com", "https://evil.test\u{ff0f}.example.com", INTERNATIONAL),
    ("example.com", "https://evil.test\u{2100}.example.com", INTERNATIONAL),
    ("example.com", "https://exa\u{ad}mple.com", INTERNATIONAL),
    ("example.com", "https://exa\u{200d}mple.com", INTERNATIONAL),
    ("xn--bcher-kva.example", "https://bu\u{308}cher.example", INTERNATIONAL),
    ("xn--bcher-kva.example", "https://xn--b\u{fc}cher-kva.example", INTERNATIONAL),
    ("example.com", "https://exam%70le.com", CHARACTER),
    ("example.com", "https://evil.test%2f.example.com", CHARACTER),
    ("example.com", "https://evil.test%00.example.com", CHARACTER),
];

const USER_INFO_AND_SEPARATORS: &[Pair] = &[
    ("example.com", "https://example.com@evil.test", USER_INFO),
    ("example.com", "https://evil.test@example.com", USER_INFO),
    ("example.com", "https://user:password@example.com", USER_INFO),
    ("example.com", "https://@example.com", USER_INFO),
    ("example.com", "https://example.com:443@evil.test/", USER_INFO),
    ("example.com", "https://a@evil.test@example.com", SEVERAL_AT),
    ("example.com", "https://evil.test\\@example.com", CHARACTER),
    ("example.com", "https://example.com\\@evil.test", CHARACTER),
    ("example.com", "https://example.com\\.evil.test", CHARACTER),
    ("example.com", "https://evil.test\\.example.com", CHARACTER),
    ("example.com", "https:\\\\example.com", NOT_A_URL),
    ("example.com", "https:/\\example.com", NOT_A_URL),
    ("example.com", "https:///example.com", NO_HOST),
    ("example.com", "https:////example.com", NO_HOST),
    ("example.com", "https:/example.com", NOT_A_URL),
    ("example.com", "https:example.com", NOT_A_URL),
    ("example.com", "//example.com", NOT_A_URL),
    ("example.com", "example.com", NOT_A_URL),
    ("example.com", "example.com/https://example.com", NOT_A_URL),
    ("example.com", "https://evil.test,example.com", CHARACTER),
    ("example.com", "https://evil.test;.example.com", CHARACTER),
    ("example.com", "https://*.example.com", CHARACTER),
    ("example.com", "https://example.com https://evil.test", WHITE_SPACE),
    ("example.com", " https://example.com", WHITE_SPACE),
    ("example.com", "https://example.com\n", WHITE_SPACE),
    ("example.com", "https://exam\tple.com", WHITE_SPACE),
    ("example.com", "https://example.com/\r\nx", WHITE_SPACE),
    ("example.com", "https://example.com\0.evil.test", WHITE_SPACE),
    ("example.com", "https://example.com\u{a0}.evil.test", WHITE_SPACE),
    ("example.com", "https://example.com\u{7f}", WHITE_SPACE),
];

const PORTS_AND_DOTS: &[Pair] = &[
    ("example.com", "https://example.com:", PORT),
    ("example.com", "https://example.com:65536", PORT),
    ("example.com", "https://example.com:-1", PORT),
    ("example.com", "https://example.com:443:443", PORT),
    ("example.com", "https://example.com:https", PORT),
    ("example.com", "https://example.com:443.evil.test", PORT),
    ("example.com", "https://example.com..", LABEL),
    ("example.com", "https://.example.com", LABEL),
    ("example.com", "https://www..example.com", LABEL),
    ("example.com", "https://", NO_HOST),
    ("example.com", "https://.", NO_HOST),
    ("example.com", "https://:443", NO_HOST),
    ("example.com", "https://com", NOT_BELOW),
];

const SCHEMES: &[Pair] = &[
    ("example.com", "http://example.com", SCHEME),
    ("example.com", "HTTP://www.example.com:443", SCHEME),
    ("example.com", "ftp://example.com", SCHEME),
    ("example.com", "ws://example.com", SCHEME),
    ("example.com", "wss://example.com", SCHEME),
    ("example.com", "file://example.com/", SCHEME),
    ("example.com", "chrome-extension://example.com/", SCHEME),
    ("example.com", "httpss://example.com", SCHEME),
    ("example.com", "xhttps://example.com", SCHEME),
    ("example.com", "view-source:https://example.com", NOT_A_URL),
    ("example.com", "blob:https://example.com/0b5c", NOT_A_URL),
    ("example.com", "filesystem:https://example.com/x", NOT_A_URL),
    ("example.com", "javascript://example.com/%0aalert(1)", SCHEME),
    ("example.com", "javascript:alert('https://example.com')", NOT_A_URL),
    ("example.com", "data:text/html,https://example.com", NOT_A_URL),
    ("example.com", "data:text/html,x", NOT_A_URL),
    ("example.com", "about:blank", NOT_A_URL),
    ("example.com", "about:srcdoc", NOT_A_URL),
    ("example.com", "null", NOT_A_URL),
    ("example.com", "", NOT_A_URL),
    ("example.com", "https", NOT_A_URL),
    ("example.com", "://example.com", NOT_A_URL),
    ("example.com", "1https://example.com", NOT_A_URL),
];

const LOOPBACK: &[Pair] = &[
    ("localhost", "http://localhost", RELEASED),
    ("localhost", "http://localhost:3000/login", RELEASED),
    ("localhost", "HTTP://LOCALHOST.", RELEASED),
    ("localhost", "https://localhost:8443", RELEASED),
    ("localhost", "ws://localhost", SCHEME),
    ("localhost", "http://app.localhost", OTHER_OWNERS),
    ("localhost", "https://app.localhost", OTHER_OWNERS),
    ("localhost", "http://localhost.evil.test", SCHEME),
    ("localhost", "https://localhost.evil.test", NOT_BELOW),
    ("localhost", "http://notlocalhost", SCHEME),
    ("localhost", "http://127.0.0.1", ADDRESS),
    ("localhost", "https://127.0.0.1", ADDRESS),
    ("example.com", "http://localhost", NOT_BELOW),
    ("app.localhost", "http://app.localhost", RELEASED),
    ("app.localhost", "http://app.localhost:5173/", RELEASED),
    ("app.localhost", "http://x.app.localhost", RELEASED),
    ("app.localhost", "https://x.app.localhost", RELEASED),
    ("app.localhost", "http://localhost", NOT_BELOW),
    ("app.localhost", "http://other.localhost", NOT_BELOW),
    ("app.localhost", "http://evilapp.localhost", NOT_BELOW),
    ("app.localhost", "ftp://app.localhost", SCHEME),
    ("127.0.0.1", "http://127.0.0.1", RELEASED),
    ("127.0.0.1", "http://127.0.0.1:8080/login", RELEASED),
    ("127.0.0.1", "https://127.0.0.1", RELEASED),
    ("127.0.1.1", "http://127.0.1.1", RELEASED),
    ("127.0.0.1", "http://127.0.0.2", ADDRESS),
    ("127.0.0.1", "http://localhost", ADDRESS),
    ("127.0.0.1", "http://127.1", BAD_ADDRESS),
    ("127.0.0.1", "http://2130706433", BAD_ADDRESS),
    ("127.0.0.1", "http://0x7f.0.0.1", BAD_ADDRESS),
    ("128.0.0.1", "http://128.0.0.1", SCHEME),
    ("0.0.0.0", "http://0.0.0.0", SCHEME),
    ("::1", "http://[::1]:3000", RELEASED),
    ("[::1]", "http://[0:0:0:0:0:0:0:1]", RELEASED),
    ("::1", "https://[::1]", RELEASED),
    ("::1", "http://127.0.0.1", ADDRESS),
    ("::1", "http://localhost", ADDRESS),
    ("::2", "http://[::2]", SCHEME),
    ("::ffff:127.0.0.1", "http://[::ffff:127.0.0.1]", SCHEME),
];

const SINGLE_LABELS: &[Pair] = &[
    ("nas", "https://nas", RELEASED),
    ("nas", "https://NAS.:5001/", RELEASED),
    ("http://nas:5001", "https://nas:5001", RELEASED),
    ("nas", "http://nas:5001", SCHEME),
    ("nas", "https://x.nas", OTHER_OWNERS),
    ("nas", "https://nas.example.com", NOT_BELOW),
    ("nas", "https://nas2", NOT_BELOW),
    ("nas", "https://evil-nas", NOT_BELOW),
    ("nas", "https://localhost", NOT_BELOW),
    ("nas", "https://192.0.2.1", ADDRESS),
    ("nas.example.com", "https://nas", NOT_BELOW),
    ("com", "https://example.com", OTHER_OWNERS),
    ("fritz.box", "https://fritz.box", RELEASED),
    ("fritz.box", "http://fritz.box", SCHEME),
];

/// The name of an app's package is no host, and an app is no page. (As a domain with its scheme it is refused before
/// there is a credential; see `src/credential/domain.rs`.)
const APPS: &[Pair] = &[
    ("spotify.com", "androidapp://com.spotify.music", SCHEME),
    ("com.spotify.music", "androidapp://com.spotify.music", SCHEME),
    ("com.spotify.music", "android://aGFzaA==@com.spotify.music/", SCHEME),
    ("music", "android-app://com.spotify.music/", SCHEME),
    ("com.spotify.client", "iosapp://com.spotify.client", SCHEME),
    ("com.spotify.client", "app://com.spotify.client", SCHEME),
    ("com.spotify.music", "android:apk-key-hash:aGFzaA", NOT_A_URL),
    ("spotify.com", "https://com.spotify.music", NOT_BELOW),
];

const ADDRESSES: &[Pair] = &[
    ("192.0.2.1", "https://192.0.2.1", RELEASED),
    ("192.0.2.1", "https://192.0.2.1.:8443/x", RELEASED),
    ("192.0.2.1", "http://192.0.2.1", SCHEME),
    ("192.168.1.10", "http://192.168.1.10", SCHEME),
    ("192.168.1.10", "https://192.168.1.10:8443", RELEASED),
    ("fd00::1", "http://[fd00::1]", SCHEME),
    ("192.0.2.1", "https://192.0.2.10", ADDRESS),
    ("192.0.2.1", "https://www.192.0.2.1", BAD_ADDRESS),
    ("0.2.1.3", "https://192.0.2.1", ADDRESS),
    ("192.0.2.1", "https://example.com", ADDRESS),
    ("example.com", "https://192.0.2.1", ADDRESS),
    ("192.0.2.1", "https://192.0.2.1.evil.test", ADDRESS),
    ("192.0.2.1", "https://3221225985", BAD_ADDRESS),
    ("192.0.2.1", "https://0xc0000201", BAD_ADDRESS),
    ("192.0.2.1", "https://0300.0.2.1", BAD_ADDRESS),
    ("192.0.2.1", "https://192.0.513", BAD_ADDRESS),
    ("192.0.2.1", "https://192.0.2.0x1", BAD_ADDRESS),
    ("2001:db8::1", "https://[2001:db8::1]", RELEASED),
    ("2001:db8::1", "https://[2001:DB8:0:0:0:0:0:1]:8443/", RELEASED),
    ("[2001:0db8::0001]:80", "https://[2001:db8::1]", RELEASED),
    ("2001:db8::1", "https://[2001:db8::2]", ADDRESS),
    ("2001:db8::1", "https://[2001:db8::1].evil.test", PORT),
    ("2001:db8::1", "https://2001:db8::1", PORT),
    ("2001:db8::1", "https://[2001:db8::1", BAD_ADDRESS),
    ("2001:db8::1", "https://[2001:db8::1%25eth0]", BAD_ADDRESS),
    ("192.0.2.1", "https://[::ffff:192.0.2.1]", ADDRESS),
];

const PUBLIC_SUFFIXES: &[Pair] = &[
    ("co.uk", "https://co.uk", RELEASED),
    ("github.io", "https://github.io", RELEASED),
    ("co.uk", "https://example.co.uk", OTHER_OWNERS),
    ("co.uk", "https://www.example.co.uk", OTHER_OWNERS),
    ("github.io", "https://alice.github.io", OTHER_OWNERS),
    ("github.io", "https://www.alice.github.io", OTHER_OWNERS),
    ("GitHub.io.", "https://alice.github.io", OTHER_OWNERS),
    ("herokuapp.com", "https://app.herokuapp.com", OTHER_OWNERS),
    ("xn--55qx5d.cn", "https://example.xn--55qx5d.cn", OTHER_OWNERS),
    // By the wildcard *.ck, to which www.ck is an exception.
    ("example.ck", "https://www.example.ck", OTHER_OWNERS),
    ("nagoya.jp", "https://example.nagoya.jp", OTHER_OWNERS),
    ("city.nagoya.jp", "https://login.city.nagoya.jp", RELEASED),
    // Above the wildcard *.kobe.jp and its exception city.kobe.jp.
    ("kobe.jp", "https://city.kobe.jp", OTHER_OWNERS),
    ("kobe.jp", "https://x.kobe.jp", OTHER_OWNERS),
    // A suffix between the domain and the host: below it names have other owners too.
    ("amazonaws.com", "https://s3.amazonaws.com", OTHER_OWNERS),
    ("amazonaws.com", "https://bucket.s3.amazonaws.com", OTHER_OWNERS),
    ("amazonaws.com", "https://amazonaws.com", RELEASED),
    ("github.com", "https://gist.github.com", RELEASED),
    ("alice.github.io", "https://bob.github.io", NOT_BELOW),
    ("example.co.uk", "https://example.co.uk.evil.test", NOT_BELOW),
];
