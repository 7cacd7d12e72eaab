//! `centinela evaluate`: NIH's layout and DICOM beside it, every film counted, the same bytes each time.

use crate::harness::films::fixture;
use crate::harness::node::Home;
use centinela_models::plain::{decode, write_png};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

/// NIH's own header, with its commas in brackets and at the end.
const HEADER: &str = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
                      OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],";

/// A dark picture, with a nearly white ellipse if asked for.
fn picture(lesion: bool, n: u32) -> Vec<u8> {
    let (width, height) = (300 + 10 * n, 400);
    let grey = |x: u32, y: u32| {
        let d = ((f64::from(x) - 190.0) / 40.0).hypot((f64::from(y) - 120.0) / 60.0);
        if lesion && d <= 1.0 { 250 } else { 55 + ((x + y + n) % 7) as u8 }
    };
    let rgb: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| [grey(x, y); 3])).collect();
    write_png(width, height, &rgb).unwrap()
}

/// Films in NIH's numbered folders, with DICOM and bad ones among them.
fn collection(folder: &Path) {
    let mut lines = vec![HEADER.to_owned()];
    let mut row = |name: &str, findings: &str, age: u32, view: &str| {
        lines.push(format!("{name},{findings},0,1,{age},M,{view},2682,2749,0.143,0.143,"));
    };
    for n in 0..3 {
        for (lesion, findings) in [(true, "Effusion|Lung Opacity"), (false, "No Finding")] {
            let name = format!("0000000{n}_00{}.png", u8::from(lesion));
            let place = folder.join(format!("films/images_00{n}/images"));
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(&name), picture(lesion, n)).unwrap();
            row(&name, findings, 40 + n, "PA");
        }
    }
    fs::write(folder.join("films/child.png"), picture(true, 5)).unwrap();
    row("child.png", "No Finding", 5, "PA");
    for name in ["dx_normal", "hip", "bad_truncated"] {
        fs::copy(fixture(name).path, folder.join(format!("films/{name}.dcm"))).unwrap();
        row(&format!("{name}.dcm"), "No Finding", 60, "AP");
    }
    fs::write(folder.join("films/red.png"), write_png(2, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).unwrap())
        .unwrap();
    row("red.png", "No Finding", 60, "AP");
    row("nowhere.png", "Lung Opacity", 60, "AP");
    row("00000000_000.png", "No Finding", 60, "PA");
    fs::write(folder.join("Data_Entry_2017.csv"), lines.join("\n")).unwrap();
}

fn evaluate(home: &Home, more: &[&str]) -> Output {
    let (films, table) = (home.dir.path().join("films"), home.dir.path().join("Data_Entry_2017.csv"));
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/test-synthetic-map-1.0.0");
    let paths = [films.to_str().unwrap(), "--labels", table.to_str().unwrap(), "--model", model.to_str().unwrap()];
    home.command(&[&["evaluate"], &paths[..], more].concat()).output().unwrap()
}

#[test]
fn nih_and_dicom_films_are_scored_and_every_other_is_counted() {
    let home = Home::new(&[]);
    collection(home.dir.path());
    let mut before = None;
    for threads in ["1", "3"] {
        let out = home.dir.path().join(format!("out-{threads}"));
        let flags = ["--only", "Patient Age>=18", "--source-column", "View Position", "--threads", threads];
        let done = evaluate(&home, &[&flags[..], &["--out", out.to_str().unwrap()]].concat());
        let (text, errors) =
            (String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr).into_owned());
        assert!(done.status.success(), "{errors}");
        assert!(text.contains("Not a medical device") && text.contains("1.000 (1.000-1.000)"), "{text}");

        let json = fs::read(out.join("results.json")).unwrap();
        let results: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(results["films"]["rows"], 12);
        assert_eq!(results["films"]["scored"], 7, "{results:#}");
        assert_eq!(results["films"]["left_out"], 1);
        let reasons = results["films"]["without_scores"].as_object().unwrap();
        for words in ["no such file", "not a chest film", "truncated", "not usable", "earlier row"] {
            assert!(reasons.keys().any(|reason| reason.contains(words)), "{words}: {reasons:?}");
        }
        let label = results["labels"].as_array().unwrap().iter().find(|l| l["column"] == "Finding Labels").unwrap();
        let groups = label["groups"].as_array().unwrap();
        assert_eq!(
            (&groups[0]["source"], &groups[0]["films"], &groups[0]["positive"]),
            (&"AP".into(), &1.into(), &0.into())
        );
        assert!(groups[0]["auroc"].is_null(), "one class only");
        assert_eq!((&groups[1]["films"], &groups[1]["positive"]), (&6.into(), &3.into()));
        assert_eq!(groups[1]["auroc"]["value"], 1.0);
        assert_eq!(groups[1]["operating"][0]["sensitivity"]["hits"], 3);
        let baselines: Vec<_> =
            groups[1]["baselines"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap()).collect();
        assert_eq!(baselines, ["file size", "mean grey"]);

        let scores = fs::read_to_string(out.join("scores.csv")).unwrap();
        assert_eq!(scores.lines().count(), 13, "{scores}");
        assert!(scores.lines().any(|l| l.starts_with("hip.dcm,AP,this is not a chest film")), "{scores}");
        for kind in ["roc", "calibration"] {
            let name = format!("{kind}-{}.png", label["label"].as_str().unwrap().replace(' ', "-"));
            let picture = fs::read(out.join(&name)).unwrap();
            // It has colours, so it is no film; and it is a picture, so it is not broken.
            assert!(decode(&picture).unwrap().unwrap_err().to_string().contains("colours"), "{name}");
        }
        let all = (json, scores, fs::read(out.join("roc-Lung-Opacity.png")).unwrap());
        if let Some(before) = before.replace(all.clone()) {
            assert!(before == all, "another number of threads gives other bytes");
        }
    }
}

#[test]
fn unknown_names_are_refused_with_those_that_there_are() {
    let home = Home::new(&[]);
    collection(home.dir.path());
    for (flags, words) in [
        (["--source-column", "Hospital"], ["--source-column \"Hospital\"", "\"View Position\""]),
        (["--label", "Mass=Patient Age"], ["\"Mass\"", "it has"]),
        (["--only", "Age>=18"], ["--only \"Age\"", "\"Patient Age\""]),
        (["--file-column", "Name"], ["--file-column \"Name\"", "\"Image Index\""]),
        (["--baseline", "bytes"], ["--baseline \"bytes\"", "\"Patient ID\""]),
        (["--threads", "0"], ["--threads 0", "1 to 256"]),
    ] {
        let done = evaluate(&home, &flags);
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{flags:?}: {text}");
        assert!(words.iter().all(|w| text.contains(w)), "{flags:?}: {text}");
    }
    fs::write(home.dir.path().join("Data_Entry_2017.csv"), "file,x\na.png,1,2\n").unwrap();
    let done = evaluate(&home, &[]);
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(text.contains("Data_Entry_2017.csv") && text.contains("line 2"), "{text}");
}
