//! One-time codes are right: by the vectors of RFC 6238, and by two independent implementations for as many random
//! secrets, settings and times as one likes.

use std::fs::File;
use std::process::{Command, Stdio};
use strongroom_host_tests::credentials::{Changes, NewCredential};
use strongroom_host_tests::types::{CodeOptions, ErrorCode, TotpAlgorithm};
use strongroom_host_tests::{Dice, NOW, TempDir, Vault, World, clients, new_credential, no_changes};

const EXAMPLE: &str = "JBSWY3DPEHPK3PXP";

fn login() -> NewCredential {
    new_credential("n", "example.com", &[("password", "p")])
}

fn secret(text: &str) -> Changes {
    Changes { totp_secret: Some(text.into()), ..no_changes() }
}

/// RFC 4648, section 6, without padding.
fn base32(bytes: &[u8]) -> String {
    let bit = |index: usize| bytes.get(index / 8).is_some_and(|byte| byte >> (7 - index % 8) & 1 == 1);
    (0..(bytes.len() * 8).div_ceil(5))
        .map(|group| (0..5).fold(0, |value, offset| value << 1 | usize::from(bit(group * 5 + offset))))
        .map(|value| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value]))
        .collect()
}

mod rfc_6238_appendix_b {
    use super::*;

    const SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

    /// Seconds, and the codes by SHA-1, SHA-256 and SHA-512.
    const ROWS: [(u64, [&str; 3]); 6] = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];
    const ALGORITHMS: [(TotpAlgorithm, usize); 3] =
        [(TotpAlgorithm::Sha1, 20), (TotpAlgorithm::Sha256, 32), (TotpAlgorithm::Sha512, 64)];

    fn vault(algorithm: TotpAlgorithm, seed_bytes: usize, period: u16) -> Vault {
        let vault = Vault::new(World::Vault);
        let new = NewCredential {
            totp_secret: Some(base32(&SEED[..seed_bytes])),
            totp_algorithm: Some(algorithm),
            totp_digits: Some(8),
            totp_period: Some(period),
            ..login()
        };
        vault.create(&new).unwrap();
        vault
    }

    /// The rows of times before 2020 are answered with `clock_unset`. Their codes are checked
    /// natively, in `src/totp/tests.rs`, and by the next test.
    #[test]
    fn all_rows_with_the_clock_at_their_time() {
        for (index, (algorithm, seed_bytes)) in ALGORITHMS.into_iter().enumerate() {
            let vault = vault(algorithm, seed_bytes, 30);
            for (seconds, codes) in ROWS {
                vault.clock.set(seconds * 1000);
                match vault.totp_code("n", None) {
                    Ok(code) => {
                        assert!(seconds >= 1_577_836_800, "{seconds}");
                        assert_eq!(code.code, codes[index], "{algorithm:?} at {seconds}");
                        assert_eq!(code.expires_at, (seconds / 30 + 1) * 30_000);
                    }
                    Err(error) => {
                        assert!(seconds < 1_577_836_800, "{seconds}");
                        assert_eq!(error.code, ErrorCode::ClockUnset);
                    }
                }
            }
        }
    }

    /// A code depends on the time by the number of its step only. With a period of 60 seconds the steps of all rows but
    /// the first come after 2020.
    #[test]
    fn the_steps_of_early_rows_at_later_times() {
        for (index, (algorithm, seed_bytes)) in ALGORITHMS.into_iter().enumerate() {
            let vault = vault(algorithm, seed_bytes, 60);
            for (seconds, codes) in &ROWS[1..] {
                let later = seconds / 30 * 60;
                vault.clock.set(later * 1000 + 59_999);
                assert_eq!(vault.totp_code("n", None).unwrap().code, codes[index], "{algorithm:?} at {seconds}");
            }
        }
    }
}

mod independent_implementations {
    use super::*;

    /// Tuples that are compared, unless `STRONGROOM_TOTP_SAMPLES` says otherwise.
    const SAMPLES_DEFAULT: usize = 3_000;
    /// Of the generator, unless `STRONGROOM_TOTP_SEED` says otherwise.
    const SEED_DEFAULT: u64 = 6238;

    /// By pyotp 2.9.0 (PyPI). Newer versions refuse seeds below 128 bits.
    const PYTHON: &str = "
import hashlib, sys, pyotp
for line in sys.stdin:
    secret, algorithm, digits, period, seconds = line.split()
    digest = getattr(hashlib, algorithm.lower())
    print(pyotp.TOTP(secret, digits=int(digits), digest=digest, interval=int(period)).at(int(seconds)))
";

    /// By otpauth 9.5.2 (npm).
    const NODE: &str = "
import * as OTPAuth from 'otpauth';
import { readFileSync } from 'node:fs';
const lines = readFileSync(0, 'utf8').trim().split('\\n');
console.log(lines.map(line => {
    const [secret, algorithm, digits, period, seconds] = line.split(' ');
    const totp = new OTPAuth.TOTP({
        secret: OTPAuth.Secret.fromBase32(secret), algorithm, digits: Number(digits), period: Number(period),
    });
    return totp.generate({ timestamp: Number(seconds) * 1000 });
}).join('\\n'));
";

    struct Tuple {
        secret: String,
        algorithm: TotpAlgorithm,
        digits: u8,
        period: u16,
        seconds: u64,
    }

    struct Tuples(Dice);

    impl Tuples {
        fn next(&mut self) -> Tuple {
            let dice = &mut self.0;
            let bytes: Vec<u8> = (0..dice.between(5, 160)).map(|_| dice.roll() as u8).collect();
            let algorithms = [TotpAlgorithm::Sha1, TotpAlgorithm::Sha256, TotpAlgorithm::Sha512];
            // Until 2100, or until the end of the year 9999.
            let latest = [4_102_444_800, 253_402_300_799][dice.between(0, 1) as usize];
            Tuple {
                secret: base32(&bytes),
                algorithm: algorithms[dice.between(0, 2) as usize],
                digits: dice.between(6, 9) as u8,
                period: dice.between(5, 3600) as u16,
                seconds: dice.between(1_577_836_800, latest),
            }
        }
    }

    impl Tuple {
        fn line(&self) -> String {
            let algorithm = match self.algorithm {
                TotpAlgorithm::Sha1 => "SHA1",
                TotpAlgorithm::Sha256 => "SHA256",
                TotpAlgorithm::Sha512 => "SHA512",
            };
            format!("{} {algorithm} {} {} {}\n", self.secret, self.digits, self.period, self.seconds)
        }
    }

    fn setting(name: &str, default: u64) -> u64 {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
    }

    fn codes(mut command: Command, input: &std::path::Path) -> Vec<String> {
        let output = command.stdin(Stdio::from(File::open(input).unwrap())).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Every tuple is stored as the new secret of one credential and read back at its time. The code must be in the
    /// answer to the change, too.
    #[test]
    fn agree_on_random_tuples() {
        let test = "totp: codes against";
        let python = clients::python(&format!("{test} pyotp"), &["pyotp==2.9.0"]);
        let node = clients::node(&format!("{test} otpauth"), &["otpauth@9.5.2"]);

        let samples = setting("STRONGROOM_TOTP_SAMPLES", SAMPLES_DEFAULT as u64) as usize;
        let seed = setting("STRONGROOM_TOTP_SEED", SEED_DEFAULT);
        let mut dice = Tuples(Dice(seed));
        let tuples: Vec<Tuple> = (0..samples).map(|_| dice.next()).collect();
        let directory = TempDir::new();
        let input = directory.path().join("tuples");
        std::fs::write(&input, tuples.iter().map(Tuple::line).collect::<String>()).unwrap();
        // They run while the component does.
        let others: Vec<_> = [
            python.map(|mut python| {
                ("pyotp", {
                    python.args(["-c", PYTHON]);
                    python
                })
            }),
            node.map(|mut node| {
                ("otpauth", {
                    node.args(["--input-type=module", "--eval", NODE]);
                    node
                })
            }),
        ]
        .into_iter()
        .flatten()
        .map(|(name, command)| {
            let input = input.clone();
            (name, std::thread::spawn(move || codes(command, &input)))
        })
        .collect();

        let vault = Vault::new(World::Vault);
        vault.create(&login()).unwrap();
        let ours: Vec<String> = tuples
            .iter()
            .map(|tuple| {
                vault.clock.set(tuple.seconds * 1000 + tuple.seconds % 1000);
                let changes = Changes {
                    totp_algorithm: Some(tuple.algorithm),
                    totp_digits: Some(tuple.digits),
                    totp_period: Some(tuple.period),
                    ..secret(&tuple.secret)
                };
                let changed = vault.update("n", &changes).unwrap();
                let code = vault.totp_code("n", None).unwrap();
                assert_eq!(changed.totp_code.as_ref(), Some(&code.code), "{}", tuple.line());
                assert_eq!(changed.weak_totp_secret, tuple.secret.len() < 26, "{}", tuple.line());
                let period = u64::from(tuple.period);
                assert_eq!(code.expires_at, (tuple.seconds / period + 1) * period * 1000, "{}", tuple.line());
                code.code
            })
            .collect();

        for (name, other) in others {
            let theirs = other.join().unwrap();
            assert_eq!(theirs.len(), samples, "{name}");
            for ((ours, theirs), tuple) in ours.iter().zip(&theirs).zip(&tuples) {
                assert_eq!(ours, theirs, "{name} on {}", tuple.line());
            }
            println!("{samples} codes of seed {seed} equal those of {name}");
        }
    }
}

/// A part of the table in `src/totp/tests.rs`, through the component.
mod inputs {
    use super::*;

    #[test]
    fn accepted_secrets_stand_for_the_same_seed() {
        let vault = Vault::new(World::Vault);
        let expected = vault.create(&NewCredential { totp_secret: Some(EXAMPLE.into()), ..login() }).unwrap();
        for (case, text) in [
            ("lower case", "jbswy3dpehpk3pxp"),
            ("spaces", "jbsw y3dp ehpk 3pxp"),
            ("dashes", "JBSW-Y3DP-EHPK-3PXP"),
            ("white space around", " \tJBSWY3DPEHPK3PXP\r\n"),
            ("needless padding", "JBSWY3DPEHPK3PXP===="),
            ("URI", "otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXP&issuer=Example"),
            ("percent-encoded label", "otpauth://totp/A%20B%3Aops%40example.com?secret=jbsw%20y3dp%20ehpk%203pxp"),
            ("non-ASCII label", "otpauth://totp/B\u{fc}ro:ops@example.com?secret=JBSWY3DPEHPK3PXP"),
            ("a letter that fills no byte", "JBSWY3DPEHPK3PXPA"),
            ("the same secret twice", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&amp;SECRET=jbswy3dpehpk3pxp"),
            ("unknown parameters twice", "otpauth://totp/x?image=a&secret=JBSWY3DPEHPK3PXP&image=b&counter=5"),
        ] {
            let updated = vault.update("n", &secret(text)).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            assert_eq!(updated.totp_code, expected.totp_code, "{case}");
            assert_eq!((updated.version, updated.weak_totp_secret), (1, true), "{case}: the same seed, so no change");
        }
    }

    #[test]
    fn bounds_of_strength_and_length() {
        let vault = Vault::new(World::Vault);
        vault.create(&login()).unwrap();
        for (case, text, is_weak) in [
            ("40 bits", "JBSWY3DP".to_owned(), true),
            ("80 bits", EXAMPLE.to_owned(), true),
            ("120 bits", "B".repeat(24), true),
            ("128 bits", "A".repeat(26), false),
            ("128 bits, padded", format!("{}======", "A".repeat(26)), false),
            ("256 characters", "ABCDEFGH".repeat(32), false),
            ("256 characters, in groups", "abcd efgh-".repeat(32), false),
        ] {
            let updated = vault.update("n", &secret(&text)).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            assert_eq!(updated.weak_totp_secret, is_weak, "{case}");
        }
    }

    #[test]
    fn everything_else_is_refused_and_nothing_is_repaired() {
        let vault = Vault::new(World::Vault);
        let before = vault.create(&NewCredential { totp_secret: Some("A".repeat(32)), ..login() }).unwrap();
        let uri = |rest: &str| format!("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP{rest}");
        for (case, text) in [
            ("7 characters", "JBSWY3D".to_owned()),
            ("257 characters", "A".repeat(257)),
            ("0", "JBSWY3DPEHPK3PX0".into()),
            ("1", "JBSWY3DPEHPK3PX1".into()),
            ("8", "JBSWY3DPEHPK3PX8".into()),
            ("9", "JBSWY3DPEHPK3PX9".into()),
            ("Cyrillic A", "\u{410}BSWY3DPEHPK3PXP".into()),
            ("full-width J", "\u{ff2a}BSWY3DPEHPK3PXP".into()),
            ("Kelvin sign", "JBSWY3DPEHPK3PX\u{212a}".into()),
            ("en dash", "JBSW\u{2013}Y3DP\u{2013}EHPK\u{2013}3PXP".into()),
            ("padding inside", "JBSWY3DP====EHPK3PXP".into()),
            ("hotp", "otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP&counter=1".into()),
            ("migration", "otpauth-migration://offline?data=JBSWY3DPEHPK3PXP".into()),
            ("no secret", "otpauth://totp/JBSWY3DPEHPK3PXP?issuer=x".into()),
            ("secret twice", uri("&secret=JBSWY3DPEHPK3PXQ")),
            ("secret twice, once encoded", uri("&%73ecret=AAAAAAAA")),
            ("digits twice", uri("&digits=6&digits=8")),
            ("digits=5", uri("&digits=5")),
            ("digits=10", uri("&digits=10")),
            ("digits empty", uri("&digits=")),
            ("period=0", uri("&period=0")),
            ("period=3601", uri("&period=3601")),
            ("algorithm=md5", uri("&algorithm=md5")),
            ("algorithm=SHA3-256", uri("&algorithm=SHA3-256")),
            ("Steam with 6 digits", uri("&encoder=steam&digits=6")),
            ("broken percent-encoding", uri("%3")),
        ] {
            let error = vault.update("n", &secret(&text)).map(drop).expect_err(case);
            assert_eq!(error.code, ErrorCode::BadRequest, "{case}");
            assert!(error.message.starts_with("totp_secret"), "{case}: {}", error.message);
            assert!(!error.message.contains("JBSW") && !error.message.contains("3PX"), "{case}: {}", error.message);
            let new = NewCredential { name: "other".into(), totp_secret: Some(text), ..login() };
            assert_eq!(vault.create(&new).map(drop).expect_err(case).message, error.message, "{case}");
        }
        let after = vault.get("n").unwrap();
        assert_eq!((after.version, vault.totp_code("n", None).unwrap().code), (1, before.totp_code.unwrap()));
    }
}

mod life {
    use super::*;

    fn vault(period: u16) -> Vault {
        let vault = Vault::new(World::Vault);
        let new = NewCredential { totp_secret: Some(EXAMPLE.into()), totp_period: Some(period), ..login() };
        vault.create(&new).unwrap();
        vault
    }

    fn at_least(min_valid_seconds: u16) -> Option<CodeOptions> {
        Some(CodeOptions { min_valid_seconds, exclusive: false })
    }

    /// [`NOW`] is the start of a step of 30 seconds.
    #[test]
    fn a_code_says_how_long_it_lives() {
        let vault = vault(30);
        for (milliseconds, seconds) in
            [(0, 30), (1, 29), (1_000, 29), (28_999, 1), (29_000, 1), (29_001, 0), (29_999, 0)]
        {
            vault.clock.set(NOW + milliseconds);
            let code = vault.totp_code("n", None).unwrap();
            assert_eq!((code.expires_at, code.period, code.valid_for_seconds), (NOW + 30_000, 30, seconds));
        }
        let last = vault.totp_code("n", None).unwrap().code;
        vault.clock.set(NOW + 30_000);
        let next = vault.totp_code("n", None).unwrap();
        assert_eq!((next.expires_at, next.valid_for_seconds), (NOW + 60_000, 30));
        assert_ne!(next.code, last);
    }

    #[test]
    fn a_code_that_is_about_to_expire_is_refused_with_the_time_to_wait() {
        let vault = vault(30);
        for (milliseconds, wish, retry_after) in [
            (0, 29, None),
            (1_000, 29, None),
            (1_001, 29, Some(29)),
            (20_000, 10, None),
            (20_001, 10, Some(10)),
            (29_000, 1, None),
            (29_001, 1, Some(1)),
            (29_999, 1, Some(1)),
            (29_999, 0, None),
        ] {
            vault.clock.set(NOW + milliseconds);
            let supplied =
                vault.supply("n", "https://example.com", at_least(wish)).map(|supplied| supplied.totp.unwrap());
            for result in [vault.totp_code("n", at_least(wish)), supplied] {
                let case = format!("{milliseconds} ms, {wish} s");
                match (result, retry_after) {
                    (Ok(code), None) => assert!(code.valid_for_seconds >= wish, "{case}"),
                    (Err(error), Some(_)) => {
                        assert_eq!(
                            (error.code, error.retry_after_seconds),
                            (ErrorCode::CodeExpiring, retry_after),
                            "{case}"
                        );
                    }
                    (result, _) => panic!("{case}: {result:?}"),
                }
            }
            // Whoever waits as long as told gets a code.
            vault.clock.advance(u64::from(retry_after.unwrap_or(0)) * 1000);
            vault.totp_code("n", at_least(wish)).unwrap();
        }
    }

    #[test]
    fn wishes_are_bounded_by_the_credentials_own_period() {
        for period in [5, 30, 3600] {
            let vault = vault(period);
            vault.clock.set(NOW);
            vault.totp_code("n", at_least(period - 1)).unwrap();
            let error = vault.totp_code("n", at_least(period)).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadRequest);
            assert!(error.message.contains("min_valid_seconds"));
        }
    }
}
