"""Known boxes: a region of the same finding must lie on each, on the right film."""

from reading import bounds, overlap


def check(truth, study, faults):
    for known in truth:
        if known["sop_instance_uid"] not in study.films:
            continue
        boxes = [bounds(r.points) for r in study.regions.values()
                 if r.finding[0] == known["code"] and r.film == known["sop_instance_uid"]]
        best = max((overlap(box, known["box"]) for box in boxes), default=0.0)
        faults.want(best >= known.get("min_iou", 0.5), "TRUTH", "-",
                    f"{known['code']} overlaps its known box on {known['sop_instance_uid']} by {best:.2f}")
