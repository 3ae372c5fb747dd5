//! Secrets and URIs as people bring them give the codes that other programs give, or are refused by a rule of a table;
//! never another code.
//!
//! Others are `oathtool`, `otpauth` (npm) and `pyotp` (PyPI): each is asked for the code of the plain letters and
//! settings that an input stands for, and those that read URIs are also given the input itself where it has no form that
//! they do not know. What none of them accepts has to be in [`REFUSALS`].

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};
use strongroom::error::Code;
use strongroom::time::Timestamp;
use strongroom::totp::{Algorithm, NewTotp, Totp};
use strongroom_host_tests::credentials::Changes;
use strongroom_host_tests::types::TotpAlgorithm;
use strongroom_host_tests::{Dice, TempDir, Vault, World, clients, new_credential, no_changes};

/// Inputs of random length and form, unless `STRONGROOM_TOTP_SAMPLES` says otherwise.
const RANDOM_DEFAULT: u64 = 24_000;
/// Inputs of the forms that real sites and programs give.
const REAL: usize = 500;
/// Of these, how many also go through the component.
const THROUGH_THE_COMPONENT: usize = 400;

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an input stands for, or why it must be refused.
struct Case {
    input: String,
    explicit: (Option<Algorithm>, Option<i64>, Option<i64>),
    letters: String,
    algorithm: Algorithm,
    digits: u8,
    period: u16,
    is_steam: bool,
    seconds: u64,
    /// Programs that read URIs of the usual form read this one.
    is_usual_uri: bool,
    refused: Option<&'static str>,
}

/// How a valid input is spoilt, and the rule that refuses it.
type Refusal = (&'static str, fn(&mut Dice, &mut Case));

const REFUSALS: [Refusal; 17] = [
    ("must be base32", |dice, case| {
        case.input = format!("{}{}AAAAAAAA", dice.one_of(&["0", "1", "8", "9"]), case.letters)
    }),
    ("must be base32", |_, case| {
        case.input = case.letters.replacen(['A', 'B', 'C', 'D', 'E', 'F'], "\u{200b}", 1) + "_"
    }),
    ("8 to 256", |dice, case| case.input = letters(dice, 1, 7)),
    ("8 to 256", |dice, case| case.input = letters(dice, 257, 300)),
    ("digits must be 6 to 9", |dice, case| spoil(case, "digits", dice.one_of(&["0", "5", "10", "06", "six", ""]))),
    ("period must be 5 to 3600", |dice, case| spoil(case, "period", dice.one_of(&["0", "4", "3601", "30.0", "-30"]))),
    ("algorithm must be", |dice, case| {
        spoil(case, "algorithm", dice.one_of(&["MD5", "SHA224", "SHA3-256", "SHA-512/256", "SHA", ""]));
    }),
    ("epoch must be 0", |dice, case| {
        spoil(case, dice.one_of(&["epoch", "T0", "Epoch"]), dice.one_of(&["1", "30", ""]))
    }),
    ("encoder must be steam", |dice, case| spoil(case, "encoder", dice.one_of(&["hex", "", "base64"]))),
    ("time-based", |_, case| case.input = format!("otpauth://hotp/x?secret={}&counter=1", case.letters)),
    ("export them one by one", |_, case| case.input = format!("otpauth-migration://offline?data={}", case.letters)),
    ("begins with otpauth://totp/", |dice, case| {
        let front = dice.one_of(&["otpauth://yandex/x?secret=", "https://totp/x?secret=", "otpauth:/totp/x?secret="]);
        case.input = format!("{front}{}", case.letters);
    }),
    ("twice with different values", |_, case| {
        case.input = format!("otpauth://totp/x?secret={}&SECRET=AAAAAAAA", case.letters);
    }),
    ("twice with different values", |_, case| {
        case.input = format!("otpauth://totp/x?secret={}&period=30&amp;Period=60", case.letters);
    }),
    ("5 digits and a period of 30", |dice, case| {
        let with = dice.one_of(&["digits=6", "period=60", "algorithm=SHA256"]);
        case.input = format!("otpauth://steam/x?secret={}&{with}", case.letters);
    }),
    ("must have a secret", |_, case| case.input = format!("otpauth://totp/{0}?issuer={0}", case.letters)),
    ("behind a number sign", |_, case| {
        case.input = format!("otpauth://totp/x?secret={}&issuer=No #1&digits=8", case.letters);
    }),
];

fn spoil(case: &mut Case, name: &str, value: &str) {
    case.input = format!("otpauth://totp/x?secret={}&{name}={value}", case.letters);
}

fn letters(dice: &mut Dice, low: u64, high: u64) -> String {
    (0..dice.between(low, high)).map(|_| char::from(dice.one_of(LETTERS))).collect()
}

/// The letters as they are typed: in either case, in groups, with padding.
fn decorated(dice: &mut Dice, letters: &str, separators: &[&str]) -> String {
    let (case, separator) = (dice.between(0, 2), dice.one_of(separators));
    let group = dice.between(3, 5) as usize;
    let mut text = String::new();
    for (at, letter) in letters.chars().enumerate() {
        if at > 0 && at % group == 0 {
            text.push_str(separator);
        }
        let is_small = case == 1 || case == 2 && dice.once_in(2);
        text.push(if is_small { letter.to_ascii_lowercase() } else { letter });
    }
    if dice.once_in(4) {
        text.push_str(&"=".repeat(dice.between(1, 7) as usize));
    }
    text
}

fn spelling(dice: &mut Dice, algorithm: Algorithm) -> &'static str {
    dice.one_of(match algorithm {
        Algorithm::Sha1 => &["SHA1", "sha1", "SHA-1", "HmacSHA1", "HMAC-SHA-1", "hmac_sha1"],
        Algorithm::Sha256 => &["SHA256", "Sha256", "SHA-256", "HmacSHA256", "sha2-256", "SHA_256"],
        Algorithm::Sha512 => &["SHA512", "sha512", "SHA-512", "HmacSHA512", "SHA2-512", "HMAC SHA512"],
    })
}

/// The name of a parameter in some case.
fn cased(dice: &mut Dice, name: &str) -> String {
    match dice.between(0, 2) {
        0 => name.to_uppercase(),
        1 => name[..1].to_uppercase() + &name[1..],
        _ => name.to_owned(),
    }
}

/// Any form that is accepted, over letters of any length.
fn random(dice: &mut Dice) -> Case {
    let letters = letters(dice, 8, 256);
    let algorithm = dice.one_of(&[Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]);
    let (digits, period) = (dice.between(6, 9) as u8, dice.between(5, 3600) as u16);
    // Until 2100, or until the end of the year 9999.
    let latest = dice.one_of(&[4_102_444_800, 253_402_300_799]);
    let mut case = Case {
        input: String::new(),
        explicit: (Some(algorithm), Some(digits.into()), Some(period.into())),
        letters,
        algorithm,
        digits,
        period,
        is_steam: false,
        seconds: dice.between(1_577_836_800, latest),
        is_usual_uri: false,
        refused: None,
    };
    match dice.between(0, 9) {
        0..=3 => case.input = decorated(dice, &case.letters, &["", " ", "-", "\n", "\u{a0}", " - "]),
        4..=8 => uri(dice, &mut case),
        _ => steam(dice, &mut case),
    }
    if dice.once_in(10) {
        let (rule, spoil) = dice.one_of(&REFUSALS);
        case.explicit = (None, None, None);
        spoil(dice, &mut case);
        (case.is_usual_uri, case.refused) = (false, Some(rule));
    }
    case
}

fn uri(dice: &mut Dice, case: &mut Case) {
    let is_usual = dice.once_in(2);
    let separator = if is_usual { "&" } else { dice.one_of(&["&", "&amp;", "&AMP;", "&#38;", "&amp;amp;"]) };
    let secret = if is_usual {
        case.letters.clone()
    } else {
        let secret = decorated(dice, &case.letters, &["", "%20", "+", "-", " "]);
        if dice.once_in(2) { secret.replace('=', "%3D") } else { secret }
    };
    let algorithm = if is_usual { case.algorithm.as_str() } else { spelling(dice, case.algorithm) };
    let mut parameters = vec![("secret", secret)];
    let explicit = &mut case.explicit;
    // What the URI leaves out is said beside it, or is the default.
    if dice.once_in(2) {
        parameters.push(("algorithm", algorithm.replace(' ', "%20")));
        explicit.0 = dice.one_of(&[None, Some(Algorithm::Sha1), Some(Algorithm::Sha512)]);
    } else if dice.once_in(2) {
        (explicit.0, case.algorithm) = (None, Algorithm::Sha1);
    }
    if dice.once_in(2) {
        parameters.push(("digits", case.digits.to_string()));
        explicit.1 = dice.one_of(&[None, Some(7), Some(99)]);
    } else if dice.once_in(2) {
        (explicit.1, case.digits) = (None, 6);
    }
    if dice.once_in(2) {
        parameters.push(("period", case.period.to_string()));
        explicit.2 = dice.one_of(&[None, Some(60), Some(-1)]);
    } else if dice.once_in(2) {
        (explicit.2, case.period) = (None, 30);
    }
    case.is_usual_uri = is_usual && case.explicit == (None, None, None);
    parameters.push(("issuer", dice.one_of(&["Example", "Steam", "Big%20Corp", "a%26b"]).to_owned()));
    if !is_usual {
        parameters.push(("image", "https%3A%2F%2Fexample.com%2Fdigits%3D8".to_owned()));
        parameters.push(("counter", "5".to_owned()));
        parameters.push(("epoch", "0".to_owned()));
        if dice.once_in(4) {
            parameters.push(parameters[0].clone());
        }
    }
    for at in (1..parameters.len()).rev() {
        parameters.swap(at, dice.between(0, at as u64) as usize);
    }
    let pairs: Vec<String> = parameters
        .into_iter()
        .map(|(name, value)| format!("{}={value}", if is_usual { name.to_owned() } else { cased(dice, name) }))
        .collect();
    let label = dice.one_of(&["Example:alice", "ops%40example.com", "B%C3%BCro%3Aops", "a"]);
    let front = if is_usual {
        "otpauth://totp"
    } else {
        dice.one_of(&["otpauth://totp", "OTPAUTH://TOTP", "apple-otpauth://totp"])
    };
    case.input = format!("{front}/{label}?{}", pairs.join(separator));
}

fn steam(dice: &mut Dice, case: &mut Case) {
    (case.algorithm, case.digits, case.period, case.is_steam) = (Algorithm::Sha1, 5, 30, true);
    let letters = &case.letters;
    case.input = match dice.between(0, 4) {
        0 => format!("steam://{letters}"),
        1 => format!("STEAM://{}", decorated(dice, letters, &["", " ", "-"])),
        2 => format!("otpauth://steam/Steam:user?secret={letters}&issuer=Steam"),
        3 => format!("otpauth://totp/Steam:user?secret={letters}&amp;period=30&amp;digits=5&amp;encoder=steam"),
        _ => format!("otpauth://totp/Steam:user?encoder=STEAM&algorithm=SHA-1&Secret={letters}&issuer=Steam"),
    };
}

/// The forms that sites show and programs export.
fn real(dice: &mut Dice) -> Case {
    let (algorithm, digits, period) = dice.one_of(&[
        (Algorithm::Sha1, 6, 30),
        (Algorithm::Sha1, 6, 30),
        (Algorithm::Sha1, 7, 10),
        (Algorithm::Sha1, 8, 30),
        (Algorithm::Sha256, 6, 30),
        (Algorithm::Sha512, 8, 60),
        (Algorithm::Sha1, 6, 60),
    ]);
    let length = dice.one_of(&[15, 16, 16, 20, 24, 26, 26, 32, 32, 32, 39, 40, 52, 56, 64, 103, 128]);
    let letters = letters(dice, length, length);
    let mut case = Case {
        input: String::new(),
        explicit: (None, None, None),
        letters,
        algorithm,
        digits,
        period,
        is_steam: false,
        seconds: dice.between(1_735_689_600, 2_208_988_800),
        is_usual_uri: false,
        refused: None,
    };
    let groups = |letters: &str, of: usize, by: &str| {
        let letters: Vec<char> = letters.chars().collect();
        letters.chunks(of).map(String::from_iter).collect::<Vec<_>>().join(by)
    };
    let letters = &case.letters;
    let name = case.algorithm.as_str();
    let bare = |input: String, case: &mut Case| {
        (case.input, case.algorithm, case.digits, case.period) = (input, Algorithm::Sha1, 6, 30);
    };
    match dice.between(0, 8) {
        0 => bare(groups(&letters.to_lowercase(), 4, " "), &mut case),
        1 => bare(groups(letters, 4, "-"), &mut case),
        2 => bare(format!("  {letters}\n"), &mut case),
        3 => {
            case.input = format!("otpauth://totp/Example:ops@example.com?secret={letters}&issuer=Example");
            (case.algorithm, case.digits, case.period, case.is_usual_uri) = (Algorithm::Sha1, 6, 30, true);
        }
        4 => {
            case.input = format!(
                "otpauth://totp/Example:ops%40example.com?secret={letters}&issuer=Example&algorithm={name}&digits={digits}&period={period}"
            );
            case.is_usual_uri = true;
        }
        5 => {
            case.input = format!(
                "otpauth://totp/Example?secret={letters}&amp;issuer=Example&amp;algorithm=Hmac{name}&amp;digits={digits}&amp;period={period}"
            );
        }
        6 => {
            case.input = format!(
                "otpauth://totp/ops?SECRET={letters}&ALGORITHM={name}&DIGITS={digits}&PERIOD={period}&ISSUER=Example"
            );
        }
        7 => {
            let padding = "%3D".repeat((8 - letters.len() % 8) % 8);
            case.input = format!(
                "otpauth://totp/a?secret={letters}{padding}&algorithm={name}&digits={digits}&period={period}&image=x"
            );
        }
        _ => steam(dice, &mut case),
    }
    case
}

impl Case {
    fn ours(&self) -> Result<String, String> {
        let (algorithm, digits, period) = self.explicit;
        let request = NewTotp { secret: &self.input, algorithm, digits, period };
        let code = Totp::parse(request, None).and_then(|totp| totp.code_at(Timestamp::from_seconds(self.seconds)));
        code.map(|code| code.code).map_err(|error| {
            assert_eq!(error.code(), Code::BadRequest, "{}", self.input);
            error.message().to_owned()
        })
    }

    fn line(&self) -> Value {
        json!({
            "letters": self.letters,
            "algorithm": self.algorithm.as_str(),
            "digits": self.digits,
            "period": self.period,
            "steam": self.is_steam,
            "seconds": self.seconds,
            "uri": self.is_usual_uri.then_some(&self.input),
        })
    }
}

/// Both print one array a line: the code of the letters and settings, and that of the URI, or null where they refuse.
const PYTHON: &str = "
import hashlib, json, sys, pyotp
from pyotp.contrib import Steam
def tried(make, seconds):
    try:
        return make().at(seconds)
    except Exception:
        return None
for line in sys.stdin:
    case = json.loads(line)
    letters, digest = case['letters'], getattr(hashlib, case['algorithm'].lower())
    if case['steam']:
        # It refuses a letter that adds nothing to the bytes before it.
        plain = lambda: Steam(letters[:-1] if len(letters) % 8 in (1, 3, 6) else letters)
    else:
        plain = lambda: pyotp.TOTP(letters, digits=case['digits'], digest=digest, interval=case['period'])
    uri = (lambda: pyotp.parse_uri(case['uri'])) if case['uri'] else (lambda: None)
    print(json.dumps([tried(plain, case['seconds']), tried(uri, case['seconds'])]))
";

const NODE: &str = "
import * as OTPAuth from 'otpauth';
import { readFileSync } from 'node:fs';
const tried = (make, timestamp) => { try { return make().generate({ timestamp }); } catch { return null; } };
console.log(readFileSync(0, 'utf8').trim().split('\\n').map(line => {
    const { letters, algorithm, digits, period, steam, seconds, uri } = JSON.parse(line);
    const plain = () => new OTPAuth.TOTP({ secret: OTPAuth.Secret.fromBase32(letters), algorithm, digits, period });
    return JSON.stringify([
        steam ? null : tried(plain, seconds * 1000),
        uri ? tried(() => OTPAuth.URI.parse(uri), seconds * 1000) : null,
    ]);
}).join('\\n'));
";

type Answers = Vec<[Option<String>; 2]>;

fn answers(mut command: Command, input: &std::path::Path) -> Answers {
    let output = command.stdin(Stdio::from(File::open(input).unwrap())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Makes one code a call, so it is asked by several threads.
fn oathtool(cases: &[Case]) -> Answers {
    let ask = |case: &Case| {
        // It makes codes of 6 to 8 digits, and not Steam's.
        if case.is_steam || case.digits > 8 {
            return [None, None];
        }
        let mut command = Command::new("oathtool");
        command.args(["--base32", "--digits", &case.digits.to_string()]);
        command.arg(format!("--totp={}", case.algorithm.as_str().to_lowercase()));
        command.arg(format!("--time-step-size={}s", case.period));
        let output = command.arg(format!("--now=@{}", case.seconds)).arg("--").arg(&case.letters).output().unwrap();
        [output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned()), None]
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(cases.len().div_ceil(4).max(1))
            .map(|part| scope.spawn(move || part.iter().map(ask).collect::<Answers>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}

#[test]
fn equal_those_of_other_programs_or_are_refused_by_a_rule() {
    let samples = std::env::var("STRONGROOM_TOTP_SAMPLES").map_or(RANDOM_DEFAULT, |text| text.parse().unwrap());
    let mut dice = Dice(9);
    let mut cases: Vec<Case> = (0..samples).map(|_| random(&mut dice)).collect();
    cases.extend((0..REAL).map(|_| real(&mut dice)));
    let ours: Vec<Result<String, String>> = cases.iter().map(Case::ours).collect();
    let mut refused = BTreeMap::new();
    for (case, ours) in cases.iter().zip(&ours) {
        match (ours, case.refused) {
            (Ok(_), None) => {}
            (Ok(_), Some(rule)) => panic!("accepted, not refused by {rule:?}: {}", case.input),
            (Err(message), None) => panic!("{message}: {}", case.input),
            (Err(message), Some(rule)) => {
                assert!(message.starts_with("totp_secret") && message.contains(rule), "{message}: {}", case.input);
                let echo = case.letters.get(..6).is_some_and(|letters| message.contains(letters));
                assert!(!echo, "{message}: {}", case.input);
                *refused.entry(rule).or_insert(0) += 1;
            }
        }
    }
    println!("refused by rule: {refused:?}");
    let rules: std::collections::BTreeSet<_> = REFUSALS.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(refused.len(), rules.len());

    let directory = TempDir::new();
    let input = directory.path().join("cases");
    std::fs::write(&input, cases.iter().map(|case| format!("{}\n", case.line())).collect::<String>()).unwrap();
    let test = "totp_inputs: codes against";
    let mut others = Vec::new();
    if let Some(mut python) = clients::python(&format!("{test} pyotp"), &["pyotp==2.9.0"]) {
        python.args(["-c", PYTHON]);
        others.push(("pyotp", answers(python, &input), 0.6));
    }
    if let Some(mut node) = clients::node(&format!("{test} otpauth"), &["otpauth@9.5.2"]) {
        node.args(["--input-type=module", "--eval", NODE]);
        others.push(("otpauth", answers(node, &input), 0.85));
    }
    if clients::program(&format!("{test} oathtool"), "oathtool") {
        others.push(("oathtool", oathtool(&cases), 0.35));
    }
    for (name, theirs, least) in others {
        assert_eq!(theirs.len(), cases.len(), "{name}");
        let mut compared = 0;
        for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs) {
            let Ok(ours) = ours else { continue };
            for code in theirs.iter().flatten() {
                assert_eq!(ours, code, "{name}, at {}: {}", case.seconds, case.input);
            }
            compared += usize::from(theirs[0].is_some());
        }
        println!("{compared} of {} codes compared with those of {name}", cases.len());
        let accepted = ours.iter().filter(|ours| ours.is_ok()).count();
        assert!(compared as f64 >= least * accepted as f64, "{name}: {compared}");
    }
}

/// The component gives the same codes and refusals as the core does natively.
#[test]
fn are_the_same_through_the_component() {
    let mut dice = Dice(4226);
    let vault = Vault::new(World::Vault);
    vault.create(&new_credential("n", "example.com", &[("password", "p")])).unwrap();
    for round in 0..THROUGH_THE_COMPONENT {
        let case = if round % 2 == 0 { random(&mut dice) } else { real(&mut dice) };
        vault.clock.set(case.seconds * 1000);
        let typed = |algorithm| match algorithm {
            Algorithm::Sha1 => TotpAlgorithm::Sha1,
            Algorithm::Sha256 => TotpAlgorithm::Sha256,
            Algorithm::Sha512 => TotpAlgorithm::Sha512,
        };
        let (algorithm, digits, period) = case.explicit;
        // What the typed function has no room for is overridden by the URI, so it does not count.
        let changes = Changes {
            totp_secret: Some(case.input.clone()),
            totp_algorithm: algorithm.map(typed),
            totp_digits: digits.and_then(|digits| digits.try_into().ok()),
            totp_period: period.and_then(|period| period.try_into().ok()),
            ..no_changes()
        };
        let updated = vault.update("n", &changes);
        match (updated, case.ours()) {
            (Ok(updated), Ok(code)) => {
                assert_eq!(updated.totp_code.as_deref(), Some(code.as_str()), "{}", case.input);
                assert_eq!(vault.totp_code("n", None).unwrap().code, code, "{}", case.input);
                assert_eq!(updated.totp_digits, Some(case.digits), "{}", case.input);
                assert_eq!(updated.totp_period, Some(case.period), "{}", case.input);
                assert_eq!(updated.totp_encoder.is_some(), case.is_steam, "{}", case.input);
                assert_eq!(updated.weak_totp_secret, case.letters.len() < 26, "{}", case.input);
                // A bare secret would keep what this one set.
                vault.update("n", &Changes { totp_secret: Some(String::new()), ..no_changes() }).unwrap();
            }
            (Err(error), Err(message)) => assert_eq!(error.message, message, "{}", case.input),
            (Ok(_), Err(message)) => panic!("natively {message}: {}", case.input),
            (Err(error), Ok(_)) => panic!("{}: {}", error.message, case.input),
        }
    }
}
