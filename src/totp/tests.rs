use super::*;
use crate::error::{Code, Error};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use proptest::prelude::*;

/// What authenticator documentation uses as its example: 80 bits.
const EXAMPLE: &str = "JBSWY3DPEHPK3PXP";

fn bare(secret: &str) -> NewTotp<'_> {
    NewTotp { secret, algorithm: None, digits: None, period: None }
}

fn parse(secret: &str) -> Result<Totp> {
    Totp::parse(bare(secret), None)
}

fn refusal(result: Result<Totp>) -> Error {
    result.err().unwrap()
}

/// The settings in one line, and the secret in base32.
fn shown(totp: &Totp) -> (String, String) {
    (line(totp.settings()), base32::encode(base32::Alphabet::Rfc4648 { padding: false }, totp.secret.expose()))
}

fn line(settings: TotpSettings) -> String {
    let steam = if settings.encoder() == Encoder::Steam { "/steam" } else { "" };
    format!("{}/{}/{}{steam}", settings.algorithm().as_str(), settings.digits(), settings.period())
}

mod secrets {
    use super::*;

    #[test]
    fn accepted_and_normalised() {
        let chars_256 = "ABCDEFGH".repeat(32);
        let spaced_256 = "abcd efgh-".repeat(32);
        for (case, text, secret) in [
            ("80-bit example", EXAMPLE, EXAMPLE),
            ("lower case", "jbswy3dpehpk3pxp", EXAMPLE),
            ("mixed case", "JbSwY3dPeHpK3pXp", EXAMPLE),
            ("spaces in groups of four", "jbsw y3dp ehpk 3pxp", EXAMPLE),
            ("dashes", "JBSW-Y3DP-EHPK-3PXP", EXAMPLE),
            ("white space around", " \tJBSWY3DPEHPK3PXP\r\n", EXAMPLE),
            ("line break inside", "JBSWY3DP\nEHPK3PXP", EXAMPLE),
            ("no-break space", "JBSWY3DP\u{a0}EHPK3PXP", EXAMPLE),
            ("needless padding", "JBSWY3DPEHPK3PXP====", EXAMPLE),
            ("padding of 26 characters", "AAAAAAAAAAAAAAAAAAAAAAAAAA======", "AAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("padding in groups", "MZXW6YTB MZXW6YTB OI==-====", "MZXW6YTBMZXW6YTBOI"),
            ("17 bytes, 28 characters", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA====", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("12 bytes, 20 characters", "JBSWY3DPEHPK3PXPAEBA", "JBSWY3DPEHPK3PXPAEBA"),
            ("13 bytes, 21 characters", "JBSWY3DPEHPK3PXPAEBAE", "JBSWY3DPEHPK3PXPAEBAE"),
            ("14 bytes, 23 characters", "JBSWY3DPEHPK3PXPAEBAEAQ", "JBSWY3DPEHPK3PXPAEBAEAQ"),
            ("11 bytes, 18 characters", "JBSWY3DPEHPK3PXPAE", "JBSWY3DPEHPK3PXPAE"),
            // The first and the last of a report each: letters drawn one by one, with bits that fill no byte.
            ("20 letters, 4 bits over", "J3WWIV3PTGJPQV5QAICM", "J3WWIV3PTGJPQV5QAICA"),
            ("15 letters, 3 bits over", "GEZDGNBVGY3TQOI", "GEZDGNBVGY3TQOI"),
            ("26 letters, 2 bits over", "JBSWY3DPEHPK3PXPJBSWY3DPEH", "JBSWY3DPEHPK3PXPJBSWY3DPEE"),
            ("18 letters, 2 bits over", "JBSWY3DPEHPK3PXPAB", "JBSWY3DPEHPK3PXPAA"),
            ("21 letters, 1 bit over", "JBSWY3DPEHPK3PXPAAAAB", "JBSWY3DPEHPK3PXPAAAAA"),
            ("23 letters, 3 bits over", "JBSWY3DPEHPK3PXPAAAAAA2", "JBSWY3DPEHPK3PXPAAAAAAY"),
            ("17 letters, one over", "JBSWY3DPEHPK3PXPA", EXAMPLE),
            ("17 letters, another one over", "JBSWY3DPEHPK3PXP7", EXAMPLE),
            ("19 letters, one over", "JBSWY3DPEHPK3PXPAA7", "JBSWY3DPEHPK3PXPAA"),
            ("22 letters, one over", "JBSWY3DPEHPK3PXPAAAAA7", "JBSWY3DPEHPK3PXPAAAAA"),
            ("8 letters", "JBSWY3DP", "JBSWY3DP"),
            ("9 letters", "JBSWY3DPE", "JBSWY3DP"),
            ("10 letters in groups", "jbsw y3dp eh", "JBSWY3DPEE"),
            ("padding behind left-over bits", "JBSWY3DPEHPK3PX=", "JBSWY3DPEHPK3PQ"),
            ("256 characters", &chars_256, &chars_256),
            ("256 characters, spaced", &spaced_256, &chars_256),
        ] {
            let totp = parse(text).unwrap_or_else(|error| panic!("{case}: {}", error.message()));
            assert_eq!(shown(&totp), ("SHA1/6/30".to_string(), secret.to_string()), "{case}");
        }
    }

    #[test]
    fn refused_by_rule() {
        let chars_257 = "A".repeat(257);
        let chars_264 = "A".repeat(264);
        for (case, text, rule) in [
            ("empty", "", "8 to 256"),
            ("blank", " - = ", "8 to 256"),
            ("7 characters", "JBSWY3D", "8 to 256"),
            ("7 characters and padding", "JBSWY3D=", "8 to 256"),
            ("257 characters", &chars_257, "8 to 256"),
            ("264 characters", &chars_264, "8 to 256"),
            ("digit 0", "JBSWY3DPEHPK3PX0", "digits 2 to 7"),
            ("digit 1", "JBSWY3DPEHPK3PX1", "digits 2 to 7"),
            ("digit 8", "JBSWY3DPEHPK3PX8", "digits 2 to 7"),
            ("digit 9", "JBSWY3DPEHPK3PX9", "digits 2 to 7"),
            ("Cyrillic letters", "\u{410}BSWY3DPEHPK3PXP", "digits 2 to 7"),
            ("full-width letters", "\u{ff2a}BSWY3DPEHPK3PXP", "digits 2 to 7"),
            ("dotless i", "JBSWY3DPEHPK3PX\u{131}", "digits 2 to 7"),
            ("long s", "JBSWY3DPEHPK3PX\u{17f}", "digits 2 to 7"),
            ("Kelvin sign", "JBSWY3DPEHPK3PX\u{212a}", "digits 2 to 7"),
            ("full-width digit", "JBSWY3DPEHPK3PX\u{ff13}", "digits 2 to 7"),
            ("en dash", "JBSW\u{2013}Y3DP\u{2013}EHPK\u{2013}3PXP", "digits 2 to 7"),
            ("zero-width space", "JBSWY3DP\u{200b}EHPK3PXP", "digits 2 to 7"),
            ("NUL", "JBSWY3DPEHPK3PXP\0", "digits 2 to 7"),
            ("padding inside", "JBSWY3DP====EHPK3PXP", "digits 2 to 7"),
            ("underscore", "JBSW_Y3DP_EHPK_3PXP", "digits 2 to 7"),
            ("quoted", "\"JBSWY3DPEHPK3PXP\"", "digits 2 to 7"),
            ("hexadecimal", "3132333435363738393031323334353637383930", "digits 2 to 7"),
            ("with its name", "secret=JBSWY3DPEHPK3PXP", "digits 2 to 7"),
            ("KeeOtp's form", "key=JBSWY3DPEHPK3PXP&step=60&size=8", "digits 2 to 7"),
            ("KeeOtp's form, the key alone", "key=JBSWY3DPEHPK3PXP", "digits 2 to 7"),
            ("KeeTrayTOTP's form", "JBSWY3DPEHPK3PXP;30;S", "digits 2 to 7"),
            ("base64, as in a maFile of Steam", "SlBTV1kzRFBFSFBLM1BYUA==", "digits 2 to 7"),
        ] {
            let error = refusal(parse(text));
            assert_eq!(error.code(), Code::BadRequest, "{case}");
            assert!(error.message().starts_with("totp_secret"), "{case}");
            assert!(error.message().contains(rule), "{case}: {}", error.message());
            assert!(!error.message().contains("JBSW"), "{case}");
        }
    }

    /// As many bytes as the letters fill, of the same bits: by reading the bits one by one.
    #[test]
    fn bits_that_fill_no_byte_do_not_count() {
        for length in 8..=256 {
            let letters: String = (0..length).map(|at| ALPHABET[(at * 7 + length) % 32] as char).collect();
            let mut bits = letters.bytes().flat_map(|letter| {
                let value = ALPHABET.iter().position(|other| *other == letter).unwrap();
                (0..5).rev().map(move |bit| (value >> bit & 1) as u8)
            });
            let expected: Vec<u8> =
                (0..length * 5 / 8).map(|_| (0..8).fold(0, |byte, _| byte << 1 | bits.next().unwrap())).collect();
            assert_eq!(parse(&letters).ok().unwrap().secret.expose(), expected, "{length}");
        }
    }

    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    #[test]
    fn weak_below_128_bits() {
        for (secret, is_weak) in [
            (EXAMPLE.to_string(), true),
            ("A".repeat(8), true),
            ("A".repeat(24), true),
            ("A".repeat(25), true),
            ("A".repeat(26), false),
            ("A".repeat(32), false),
            ("A".repeat(256), false),
        ] {
            assert_eq!(parse(&secret).ok().unwrap().is_weak(), is_weak, "{secret}");
        }
    }
}

mod uris {
    use super::*;

    #[test]
    fn accepted() {
        let secret = format!("secret={EXAMPLE}");
        for (case, uri, settings) in [
            ("secret only", format!("otpauth://totp/Example:alice?{secret}"), "SHA1/6/30"),
            ("no label", format!("otpauth://totp/?{secret}"), "SHA1/6/30"),
            ("no label and no slash", format!("otpauth://totp?{secret}"), "SHA1/6/30"),
            (
                "all parameters",
                format!("otpauth://totp/x?{secret}&issuer=Example&algorithm=SHA512&digits=9&period=300"),
                "SHA512/9/300",
            ),
            ("other order", format!("otpauth://totp/x?period=15&digits=8&algorithm=SHA256&{secret}"), "SHA256/8/15"),
            ("upper-case scheme and type", format!("OTPAUTH://TOTP/x?{secret}"), "SHA1/6/30"),
            ("upper-case parameter names", format!("otpauth://totp/x?SECRET={EXAMPLE}&Digits=7"), "SHA1/7/30"),
            ("lower-case algorithm", format!("otpauth://totp/x?{secret}&algorithm=sha256"), "SHA256/6/30"),
            ("lower-case secret", "otpauth://totp/x?secret=jbswy3dpehpk3pxp".into(), "SHA1/6/30"),
            ("padded secret", format!("otpauth://totp/x?{secret}%3D%3D"), "SHA1/6/30"),
            ("padding not encoded", format!("otpauth://totp/x?{secret}=="), "SHA1/6/30"),
            ("secret with encoded spaces", "otpauth://totp/x?secret=JBSW%20Y3DP%20EHPK%203PXP".into(), "SHA1/6/30"),
            ("secret percent-encoded", "otpauth://totp/x?secret=%4ABSWY3DPEHPK3PX%50".into(), "SHA1/6/30"),
            ("percent-encoded label", format!("otpauth://totp/A%20B%3Aops%40example.com?{secret}"), "SHA1/6/30"),
            ("non-ASCII label", format!("otpauth://totp/B\u{fc}ro:ops@example.com?{secret}"), "SHA1/6/30"),
            ("label with slashes", format!("otpauth://totp/a/b/c?{secret}"), "SHA1/6/30"),
            ("unknown parameters", format!("otpauth://totp/x?image=a&{secret}&image=b&counter=5&&="), "SHA1/6/30"),
            ("fragment", format!("otpauth://totp/x?{secret}&digits=8#top"), "SHA1/8/30"),
            ("white space around", format!("  otpauth://totp/x?{secret}\n"), "SHA1/6/30"),
            ("HTML escape", format!("otpauth://totp/x?{secret}&amp;digits=8&amp;period=60"), "SHA1/8/60"),
            ("HTML escape in capitals", format!("otpauth://totp/x?issuer=a&AMP;{secret}&AMP;digits=8"), "SHA1/8/30"),
            ("HTML escape, twice", format!("otpauth://totp/x?{secret}&amp;amp;digits=8"), "SHA1/8/30"),
            ("HTML escape by number", format!("otpauth://totp/x?{secret}&#38;digits=8&#x26;period=60"), "SHA1/8/60"),
            ("space in front of a name", format!("otpauth://totp/x?{secret}& digits=8&+period=60"), "SHA1/8/60"),
            ("HTML escape, percent-encoded", format!("otpauth://totp/x?{secret}&amp%3Bdigits=8"), "SHA1/8/30"),
            ("line breaks", format!("otpauth://totp/x?{secret}&dig\r\n its=8\n&period=60 "), "SHA1/8/60"),
            ("question mark in the label", format!("otpauth://totp/who?me?digits=8&{secret}"), "SHA1/8/30"),
            ("question mark in front", format!("otpauth://totp/x??digits=8&{secret}"), "SHA1/8/30"),
            ("Apple's scheme", format!("apple-otpauth://totp/Example:a?{secret}&digits=8&issuer=Example"), "SHA1/8/30"),
            ("steps that begin at 0", format!("otpauth://totp/x?{secret}&epoch=0&t0=0"), "SHA1/6/30"),
            ("FreeOTP", format!("otpauth://totp/a?{secret}&algorithm=SHA1&digits=6&period=30&lock=false"), "SHA1/6/30"),
            (
                "Aegis",
                format!("otpauth://totp/Example%3Aa?period=30&digits=8&algorithm=SHA256&{secret}&issuer=Example"),
                "SHA256/8/30",
            ),
            (
                "Ente",
                format!(
                    "otpauth://totp/Example:a?algorithm=sha512&digits=7&issuer=E&period=60&{secret}&codeDisplay=%7B%22pinned%22%3Afalse%7D"
                ),
                "SHA512/7/60",
            ),
            (
                "Battle.net by WinAuth",
                format!("otpauth://totp/Battle.net:EU1?{secret}&digits=8&serial=EU-1"),
                "SHA1/8/30",
            ),
            ("Authy's own", format!("otpauth://totp/Twitch:a?{secret}&digits=7&period=10"), "SHA1/7/10"),
            ("plus for a space in front of digits", format!("otpauth://totp/x?{secret}&digits=+8"), "SHA1/8/30"),
            ("plus for a space", "otpauth://totp/x?secret=JBSW+Y3DP+EHPK+3PXP".into(), "SHA1/6/30"),
            ("SHA-1", format!("otpauth://totp/x?{secret}&algorithm=SHA-1"), "SHA1/6/30"),
            ("HmacSHA256", format!("otpauth://totp/x?{secret}&algorithm=HmacSHA256"), "SHA256/6/30"),
            ("hmac-sha-512", format!("otpauth://totp/x?{secret}&algorithm=hmac-sha-512"), "SHA512/6/30"),
            ("SHA_512", format!("otpauth://totp/x?{secret}&algorithm=SHA_512"), "SHA512/6/30"),
            ("sha2-256", format!("otpauth://totp/x?{secret}&algorithm=sha2-256"), "SHA256/6/30"),
            ("shortest period", format!("otpauth://totp/x?{secret}&digits=7&period=10"), "SHA1/7/10"),
            ("longest period", format!("otpauth://totp/x?{secret}&period=3600"), "SHA1/6/3600"),
            ("digits twice, the same", format!("otpauth://totp/x?{secret}&digits=8&Digits=8"), "SHA1/8/30"),
            (
                "algorithm twice, in two spellings",
                format!("otpauth://totp/x?{secret}&algorithm=SHA256&algorithm=HmacSHA256"),
                "SHA256/6/30",
            ),
            (
                "secret twice, in two spellings",
                format!("otpauth://totp/x?{secret}&SECRET=jbsw%20y3dp%20ehpk%203pxp"),
                "SHA1/6/30",
            ),
            ("Steam by encoder", format!("otpauth://totp/x?{secret}&issuer=Steam&encoder=steam"), "SHA1/5/30/steam"),
            ("Steam by encoder, first", format!("otpauth://totp/x?Encoder=STEAM&digits=5&{secret}"), "SHA1/5/30/steam"),
            (
                "Steam by encoder, escaped",
                format!(
                    "otpauth://totp/Steam:a?{secret}&amp;period=30&amp;digits=5&amp;issuer=Steam&amp;encoder=steam"
                ),
                "SHA1/5/30/steam",
            ),
            ("Steam by type", format!("otpauth://steam/Steam:alice?{secret}&issuer=Steam"), "SHA1/5/30/steam"),
            (
                "Steam by type, with all that it implies",
                format!("otpauth://Steam/x?{secret}&algorithm=SHA1&digits=5&period=30&encoder=steam"),
                "SHA1/5/30/steam",
            ),
            ("Steam by scheme", format!("steam://{EXAMPLE}"), "SHA1/5/30/steam"),
            ("Steam by scheme, in groups", "STEAM://jbsw-y3dp-ehpk-3pxp==".into(), "SHA1/5/30/steam"),
            ("Steam as the issuer only", format!("otpauth://totp/Steam:a?{secret}&issuer=Steam"), "SHA1/6/30"),
        ] {
            let totp = parse(&uri).unwrap_or_else(|error| panic!("{case}: {}", error.message()));
            assert_eq!(shown(&totp), (settings.to_string(), EXAMPLE.to_string()), "{case}");
        }
    }

    #[test]
    fn refused_by_rule() {
        for (case, uri, rule) in [
            ("hotp", "otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP&counter=1", "hotp"),
            ("HOTP", "OTPAUTH://HOTP/x?secret=JBSWY3DPEHPK3PXP", "hotp"),
            ("other type", "otpauth://yandex/x?secret=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            ("no type", "otpauth:///x?secret=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            ("steps that begin later", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&epoch=1577836800", "epoch must be 0"),
            ("steps that begin later, T0", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&T0=30", "epoch must be 0"),
            ("Yandex", "otpauth://yaotp/x?secret=JBSWY3DPEHPK3PXP&pin_length=4", "begins with otpauth://totp/"),
            ("Mobile-OTP", "otpauth://motp/x?secret=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            (
                "Steam by WinAuth",
                "otpauth://totp/Steam:a?secret=JBSWY3DPEHPK3PXP&digits=5&issuer=Steam",
                "digits must be",
            ),
            ("by Microsoft", "phonefactor://activate_account?code=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            ("escaped whole", "otpauth%3A%2F%2Ftotp%2Fx%3Fsecret%3DJBSWY3DPEHPK3PXP", "digits 2 to 7"),
            ("of JSON", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP\\u0026digits=8", "digits 2 to 7"),
            ("semicolons", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP;digits=8", "digits 2 to 7"),
            ("migration", "otpauth-migration://offline?data=JBSWY3DPEHPK3PXP", "export them one by one"),
            ("web address", "https://totp/x?secret=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            ("one slash", "otpauth:/totp/x?secret=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            ("space in the scheme", "otp auth://totp/x?secret=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            ("look-alike scheme", "\u{43e}tpauth://totp/x?secret=JBSWY3DPEHPK3PXP", "begins with otpauth://totp/"),
            ("no query", "otpauth://totp/JBSWY3DPEHPK3PXP", "must have a secret"),
            ("no secret", "otpauth://totp/x?issuer=JBSWY3DPEHPK3PXP", "must have a secret"),
            ("empty secret", "otpauth://totp/x?secret=&issuer=JBSWY3DPEHPK3PXP", "must have a secret"),
            ("secret without value", "otpauth://totp/x?secret", "must have a secret"),
            ("secret in the fragment", "otpauth://totp/x#?secret=JBSWY3DPEHPK3PXP", "behind a number sign"),
            ("digits in the fragment", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP#digits=8", "behind a number sign"),
            (
                "number sign in the issuer",
                "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&issuer=No #1&digits=8",
                "behind a number sign",
            ),
            ("secret twice", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&secret=JBSWY3DPEHPK3PXQ", "twice"),
            ("secret twice, once in capitals", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&SECRET=AAAAAAAA", "twice"),
            ("secret twice, once encoded", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&%73ecret=AAAAAAAA", "twice"),
            ("secret twice, once empty", "otpauth://totp/x?secret=&secret=JBSWY3DPEHPK3PXP", "must have a secret"),
            ("digits twice", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=6&digits=8", "twice"),
            ("period twice", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=30&period=60", "twice"),
            ("algorithm twice", "otpauth://totp/x?algorithm=SHA1&secret=JBSWY3DPEHPK3PXP&algorithm=SHA256", "twice"),
            ("digits=5", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=5", "digits must be 6 to 9"),
            ("digits=10", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=10", "digits must be 6 to 9"),
            ("digits empty", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=", "digits must be 6 to 9"),
            ("digits=06", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=06", "digits must be 6 to 9"),
            ("digits=-6", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=-6", "digits must be 6 to 9"),
            ("digits=six", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=six", "digits must be 6 to 9"),
            ("digits=262", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&digits=262", "digits must be 6 to 9"),
            ("period=0", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=0", "period must be 5 to 3600"),
            ("period=4", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=4", "period must be 5 to 3600"),
            ("period=3601", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=3601", "period must be 5 to 3600"),
            ("period=30.0", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=30.0", "period must be 5 to 3600"),
            ("period=65566", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&period=65566", "period must be 5 to 3600"),
            ("algorithm=md5", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=md5", "algorithm must be"),
            ("algorithm=SHA3-256", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=SHA3-256", "algorithm must be"),
            (
                "algorithm=SHA512/256",
                "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=SHA512/256",
                "algorithm must be",
            ),
            ("algorithm=steam", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=STEAM", "algorithm must be"),
            ("encoder=hex", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&encoder=hex", "encoder must be steam"),
            ("encoder empty", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&encoder=", "encoder must be steam"),
            ("Steam, 6 digits", "otpauth://steam/x?secret=JBSWY3DPEHPK3PXP&digits=6", "5 digits and a period of 30"),
            (
                "Steam, 60 s",
                "otpauth://totp/x?period=60&secret=JBSWY3DPEHPK3PXP&encoder=steam",
                "5 digits and a period",
            ),
            ("Steam, SHA256", "otpauth://steam/x?secret=JBSWY3DPEHPK3PXP&algorithm=SHA256", "must have SHA1"),
            ("Steam without secret", "otpauth://steam/Steam:JBSWY3DPEHPK3PXP", "must have a secret"),
            ("Steam by scheme, empty", "steam://", "8 to 256"),
            ("Steam by scheme, with more", "steam://JBSWY3DPEHPK3PXP?digits=6", "digits 2 to 7"),
            ("Steam's own base64", "steam://sRDeqRKyTgYP1mHkTYIPfgMcAIY=", "digits 2 to 7"),
            ("algorithm=SHA224", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=SHA224", "algorithm must be"),
            ("algorithm empty", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&algorithm=", "algorithm must be"),
            ("secret too short", "otpauth://totp/x?secret=JBSWY3D", "8 to 256"),
            ("secret not base32", "otpauth://totp/x?secret=JBSWY3DPEHPK3PX1", "digits 2 to 7"),
            ("semicolons", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP;digits=8", "digits 2 to 7"),
            ("cut percent-encoding", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP%3", "percent-encoded"),
            ("no percent-encoding", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP%zz", "percent-encoded"),
            ("percent-encoded Latin-1", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP%fc", "percent-encoded"),
            ("encoded look-alike", "otpauth://totp/x?secret=JBSWY3DPEHPK3PX%D0%A0", "digits 2 to 7"),
        ] {
            let error = refusal(parse(uri));
            assert_eq!(error.code(), Code::BadRequest, "{case}");
            assert!(error.message().starts_with("totp_secret"), "{case}");
            assert!(error.message().contains(rule), "{case}: {}", error.message());
            assert!(!error.message().contains("JBSW"), "{case}");
        }
    }
}

mod settings {
    use super::*;

    const STORED: TotpSettings =
        TotpSettings { algorithm: Algorithm::Sha512, digits: 8, period: 60, encoder: Encoder::Decimal };
    const STEAM: TotpSettings = TotpSettings::STEAM;

    #[test]
    fn precedence() {
        let uri = format!("otpauth://totp/x?secret={EXAMPLE}");
        let uri_digits = format!("{uri}&digits=7");
        let uri_all = format!("{uri}&digits=7&period=45&algorithm=SHA256");
        let steam = format!("steam://{EXAMPLE}");
        let (sha1, sha512) = (Some(Algorithm::Sha1), Some(Algorithm::Sha512));
        for (case, secret, algorithm, digits, period, stored, expected) in [
            ("bare, nothing given", EXAMPLE, None, None, None, None, "SHA1/6/30"),
            ("bare, all given", EXAMPLE, sha512, Some(9), Some(15), None, "SHA512/9/15"),
            ("bare, stored kept", EXAMPLE, None, None, None, Some(STORED), "SHA512/8/60"),
            ("bare, one given, the others stored", EXAMPLE, None, Some(6), None, Some(STORED), "SHA512/6/60"),
            ("bare, given over stored", EXAMPLE, sha1, Some(6), Some(30), Some(STORED), "SHA1/6/30"),
            ("URI, nothing given", &uri, None, None, None, None, "SHA1/6/30"),
            ("URI, stored reset", &uri, None, None, None, Some(STORED), "SHA1/6/30"),
            ("URI, given used", &uri, sha512, Some(9), Some(15), Some(STORED), "SHA512/9/15"),
            ("URI wins, the others given", &uri_digits, sha512, Some(9), Some(15), Some(STORED), "SHA512/7/15"),
            ("URI wins, the others reset", &uri_digits, None, None, None, Some(STORED), "SHA1/7/30"),
            ("URI wins wholly", &uri_all, sha512, Some(9), Some(15), Some(STORED), "SHA256/7/45"),
            ("bare, Steam kept", EXAMPLE, None, None, None, Some(STEAM), "SHA1/5/30/steam"),
            ("URI, Steam reset", &uri, None, None, None, Some(STEAM), "SHA1/6/30"),
            ("URI, Steam reset, given used", &uri, sha512, Some(9), Some(15), Some(STEAM), "SHA512/9/15"),
            ("URI of Steam", &steam, None, None, None, Some(STORED), "SHA1/5/30/steam"),
            ("URI of Steam wins wholly", &steam, sha512, Some(9), Some(15), None, "SHA1/5/30/steam"),
            ("overridden ones are not looked at", &uri_all, None, Some(99), Some(-1), None, "SHA256/7/45"),
        ] {
            let totp = Totp::parse(NewTotp { secret, algorithm, digits, period }, stored);
            let totp = totp.unwrap_or_else(|error| panic!("{case}: {}", error.message()));
            assert_eq!(shown(&totp).0, expected, "{case}");
        }
    }

    #[test]
    fn nothing_else_goes_with_steam() {
        for request in [
            NewTotp { algorithm: Some(Algorithm::Sha1), ..bare(EXAMPLE) },
            NewTotp { digits: Some(6), ..bare(EXAMPLE) },
            NewTotp { period: Some(30), ..bare(EXAMPLE) },
        ] {
            let error = refusal(Totp::parse(request, Some(STEAM)));
            assert!(error.message().starts_with("totp_secret must be a URI"), "{}", error.message());
            assert!(error.message().len() <= 300);
        }
    }

    #[test]
    fn explicit_bounds() {
        for secret in [EXAMPLE, &format!("otpauth://totp/x?secret={EXAMPLE}")] {
            for (digits, accepted) in [
                (i64::MIN, false),
                (-6, false),
                (0, false),
                (5, false),
                (6, true),
                (9, true),
                (10, false),
                (262, false),
            ] {
                let result = Totp::parse(NewTotp { digits: Some(digits), ..bare(secret) }, None);
                assert_eq!(result.is_ok(), accepted, "{digits}");
                assert!(accepted || refusal(result).message().starts_with("totp_digits must"), "{digits}");
            }
            for (period, accepted) in
                [(-30, false), (0, false), (4, false), (5, true), (3600, true), (3601, false), (65_566, false)]
            {
                let result = Totp::parse(NewTotp { period: Some(period), ..bare(secret) }, None);
                assert_eq!(result.is_ok(), accepted, "{period}");
                assert!(accepted || refusal(result).message().starts_with("totp_period must"), "{period}");
            }
        }
    }

    #[test]
    fn algorithm_names() {
        for (text, algorithm) in [
            ("SHA1", Some(Algorithm::Sha1)),
            ("sha256", Some(Algorithm::Sha256)),
            ("Sha512", Some(Algorithm::Sha512)),
            ("SHA-1", Some(Algorithm::Sha1)),
            ("HmacSHA1", Some(Algorithm::Sha1)),
            ("HMAC-SHA-256", Some(Algorithm::Sha256)),
            ("hmac_sha256", Some(Algorithm::Sha256)),
            ("SHA 512", Some(Algorithm::Sha512)),
            ("SHA2-512", Some(Algorithm::Sha512)),
            ("SHA", None),
            ("SHA2", None),
            ("SHA224", None),
            ("SHA384", None),
            ("SHA3-256", None),
            ("SHA-512/256", None),
            ("MD5", None),
            ("HMAC", None),
            ("256", None),
            ("\u{17f}ha1", None),
            ("", None),
        ] {
            assert_eq!(Algorithm::parse(text), algorithm, "{text}");
        }
    }
}

mod codes {
    use super::*;

    const RFC_SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

    fn totp(secret: &[u8], algorithm: Algorithm, digits: u8, period: u16) -> Totp {
        Totp {
            secret: SecretBytes::new(secret.to_vec()),
            settings: TotpSettings::new(algorithm, digits, period).unwrap(),
        }
    }

    #[test]
    fn rfc_6238_appendix_b() {
        for (seconds, sha1, sha256, sha512) in [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ] {
            for (algorithm, seed_bytes, code) in
                [(Algorithm::Sha1, 20, sha1), (Algorithm::Sha256, 32, sha256), (Algorithm::Sha512, 64, sha512)]
            {
                let totp = totp(&RFC_SEED[..seed_bytes], algorithm, 8, 30);
                let result = totp.code_at_any_time(Timestamp::from_seconds(seconds));
                assert_eq!(result.code, code, "{algorithm:?} at {seconds}");
                assert_eq!(result.step, seconds / 30);
            }
        }
    }

    /// By pyotp.contrib.Steam 2.9.0 (PyPI).
    #[test]
    fn steams_equal_to_pyotp() {
        for (secret, codes) in [
            (EXAMPLE, ["9323Y", "CJQMF", "JVNVB"]),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", ["WCPDQ", "CXHWF", "FXR3N"]),
            ("KRSXG5CTMVRXEZLUKN2XAZLSKNSWG4TFOQ", ["G9BMM", "DM9WJ", "2NCP7"]),
        ] {
            let totp = parse(&format!("steam://{secret}")).ok().unwrap();
            for (seconds, code) in [1_736_937_000, 1_795_343_400, 4_102_444_799].into_iter().zip(codes) {
                let result = totp.code_at(Timestamp::from_seconds(seconds)).ok().unwrap();
                assert_eq!((result.code.as_str(), result.period), (code, 30), "{secret} at {seconds}");
            }
        }
    }

    #[test]
    fn equal_to_pyotp() {
        let mut lines = 0;
        for line in include_str!("testdata/pyotp.csv").lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(',').collect();
            let [secret, algorithm, digits, period, seconds, code] = fields[..] else { panic!("{line}") };
            let request = NewTotp {
                secret,
                algorithm: Algorithm::parse(algorithm),
                digits: digits.parse().ok(),
                period: period.parse().ok(),
            };
            let totp = Totp::parse(request, None).ok().unwrap();
            let result = totp.code_at(Timestamp::from_seconds(seconds.parse().unwrap())).ok().unwrap();
            assert_eq!(result.code, code, "{line}");
            lines += 1;
        }
        assert_eq!(lines, 240);
    }

    #[test]
    fn life_of_a_code() {
        let start = 1_736_937_000;
        let totp = totp(RFC_SEED, Algorithm::Sha1, 6, 30);
        for (ms, step_after, valid_for_seconds) in [
            (0, 0, 30),
            (1, 0, 29),
            (999, 0, 29),
            (1000, 0, 29),
            (29_000, 0, 1),
            (29_001, 0, 0),
            (29_999, 0, 0),
            (30_000, 1, 30),
        ] {
            let result = totp.code_at(Timestamp(start * 1000 + ms)).ok().unwrap();
            assert_eq!(result.step, start / 30 + step_after, "{ms}");
            assert_eq!(result.expires_at, Timestamp::from_seconds(start + 30 + 30 * step_after), "{ms}");
            assert_eq!(result.valid_for_seconds, valid_for_seconds, "{ms}");
            assert_eq!(result.period, 30);
        }
    }

    #[test]
    fn needs_a_clock_that_is_set() {
        let totp = totp(RFC_SEED, Algorithm::Sha1, 6, 30);
        for (ms, is_set) in [(0, false), (1_577_836_799_999, false), (1_577_836_800_000, true), (u64::MAX, true)] {
            match totp.code_at(Timestamp(ms)) {
                Ok(_) => assert!(is_set, "{ms}"),
                Err(error) => assert!(!is_set && error.code() == Code::ClockUnset, "{ms}"),
            }
        }
    }
}

mod records {
    use super::*;

    #[test]
    fn the_length_does_not_tell_the_seeds() {
        for (letters, length) in [(8, 96), (16, 96), (32, 96), (128, 96), (144, 96), (147, 192), (256, 192)] {
            assert_eq!(parse(&"A".repeat(letters)).ok().unwrap().encode().expose().len(), length, "{letters}");
        }
        assert_eq!(parse(&format!("steam://{EXAMPLE}")).ok().unwrap().encode().expose().len(), 96);
    }

    #[test]
    fn decode_refuses_other_bytes() {
        let record = parse(EXAMPLE).ok().unwrap().encode().expose().to_vec();
        assert!(Totp::decode(&record).is_some());
        for (case, position, byte) in [
            ("length of the settings", 0, 3),
            ("length of the settings", 0, 5),
            ("unknown algorithm", 1, 0),
            ("unknown algorithm", 1, 4),
            ("digits", 2, 5),
            ("digits", 2, 10),
            ("period", 3, 4),
            ("period", 4, 15),
            ("short secret", 5, 4),
            ("secret longer than its bytes", 5, 92),
            ("padding", 95, 1),
            ("padding", 18, 1),
        ] {
            let mut changed = record.clone();
            changed[position] = byte;
            assert!(Totp::decode(&changed).is_none(), "{case} {byte}");
        }
        assert!(Totp::decode(&record[..95]).is_none());
        assert!(Totp::decode(&[&record[..], &[0]].concat()).is_none());
        assert!(Totp::decode(&[&record[..], &[0; 96]].concat()).is_none());
        assert!(Totp::decode(&[]).is_none());
    }

    #[test]
    fn settings_are_told_apart_by_their_bytes() {
        let decimal = TotpSettings::new(Algorithm::Sha512, 8, 3600).unwrap();
        assert_eq!(decimal.encode(), [3, 8, 16, 14]);
        assert_eq!(TotpSettings::STEAM.encode(), [1, 5, 30, 0, 1]);
        for settings in [decimal, TotpSettings::STEAM, TotpSettings::default()] {
            assert_eq!(TotpSettings::decode(&settings.encode()), Some(settings));
        }
        for bytes in [
            &[][..],
            &[1, 6, 30],
            &[1, 5, 30, 0],
            &[1, 6, 30, 0, 1],
            &[1, 5, 31, 0, 1],
            &[2, 5, 30, 0, 1],
            &[1, 5, 30, 0, 2],
            &[1, 6, 30, 0, 0],
            &[1, 5, 30, 0, 1, 0],
        ] {
            assert_eq!(TotpSettings::decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(
            secret in proptest::collection::vec(any::<u8>(), 5..=160),
            algorithm in prop::sample::select(&[Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512][..]),
            digits in 6u8..=9,
            period in 5u16..=3600,
        ) {
            let settings = TotpSettings::new(algorithm, digits, period).unwrap();
            let totp = Totp { secret: SecretBytes::new(secret), settings };
            prop_assert!(Totp::decode(totp.encode().expose()).is_some_and(|decoded| decoded == totp));

            // The same through text, bare and as a URI.
            let (_, secret) = shown(&totp);
            let request = NewTotp {
                secret: &secret,
                algorithm: Some(algorithm),
                digits: Some(digits.into()),
                period: Some(period.into()),
            };
            prop_assert!(Totp::parse(request, None).is_ok_and(|parsed| parsed == totp));
            let uri = format!(
                "otpauth://totp/a%20b:c?issuer=a%20b&secret={secret}&algorithm={}&digits={digits}&period={period}",
                algorithm.as_str()
            );
            prop_assert!(parse(&uri).is_ok_and(|parsed| parsed == totp));
        }

        #[test]
        fn codes_have_their_length_at_any_time(
            secret in proptest::collection::vec(any::<u8>(), 5..=160), digits in 6u8..=9, period in 5u16..=3600, ms: u64
        ) {
            let settings = TotpSettings::new(Algorithm::Sha256, digits, period).unwrap();
            let result = Totp { secret: SecretBytes::new(secret), settings }.code_at_any_time(Timestamp(ms));
            prop_assert_eq!(result.code.len(), usize::from(digits));
            prop_assert!(result.code.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert!(result.valid_for_seconds <= period);
            prop_assert!(result.expires_at.0.saturating_add(1) > ms);
        }

        #[test]
        fn decode_never_panics(bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 90..100), proptest::collection::vec(0u8..6, 96)]) {
            let _ = Totp::decode(&bytes);
        }

        #[test]
        fn parse_never_panics(text: String, digits: i64, period: i64) {
            let request = NewTotp { secret: &text, algorithm: None, digits: Some(digits), period: Some(period) };
            let _ = Totp::parse(request, None);
            let _ = parse(&text);
        }

        #[test]
        fn parse_never_panics_near_uris(
            label in "[a%?#]{0,3}",
            secrets in "(secret=[A-Z2-7]{0,20}[%=& a-f0-9\u{fc}]{0,4}&?){0,3}",
            digits in "(digits=[0-9%]{0,3}&?)?",
        ) {
            let text = format!("otpauth://totp/{label}?{secrets}{digits}");
            if let Err(error) = parse(&text) {
                prop_assert!(error.message().starts_with("totp_secret"));
            }
        }
    }
}

#[test]
fn a_stored_secret_has_the_bounds_of_one_that_is_given() {
    let is_read = |bytes: usize| {
        let totp = Totp { secret: SecretBytes::new(vec![1; bytes]), settings: TotpSettings::default() };
        Totp::decode(totp.encode().expose()).is_some()
    };
    assert_eq!([0, 4, 5, 160, 161].map(is_read), [false, false, true, true, false]);
}
