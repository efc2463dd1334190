"""The history over HTTP: a tree in which text, facts and decisions go back and forth together."""


def test_undo_redo_and_a_branch_that_is_restored(window):
    id = window.story("One.")
    window.edit(id, (4, 4, " Two."))
    assert window.post(f"/stories/{id}/undo", {}) == {"revision": 3, "node": 1}
    assert window.text(id) == "One."
    assert window.post(f"/stories/{id}/redo", {}) == {"revision": 4, "node": 2}
    assert window.text(id) == "One. Two."
    window.post(f"/stories/{id}/undo", {})
    window.edit(id, (4, 4, " Three."))
    history = window.get(f"/stories/{id}/history")
    assert history["current"] == 3
    assert [(each["id"], each["parent"], each["kind"], each["added"]) for each in history["nodes"]] == [
        (1, None, "start", 0), (2, 1, "edit", 5), (3, 1, "edit", 7),
    ]  # fmt: skip
    assert window.post(f"/stories/{id}/restore", {"node": 2})["node"] == 2
    assert window.text(id) == "One. Two."
    assert window.extraction(id)["revision"] == window.revision(id)


def test_nothing_to_undo_and_nothing_to_redo_change_nothing(window):
    id = window.story("One.")
    assert window.post(f"/stories/{id}/undo", {}) == {"revision": 1, "node": 1}
    assert window.post(f"/stories/{id}/redo", {}) == {"revision": 1, "node": 1}
    for node in (99, 0, -1, 2**63, 10**30):
        assert window.error("POST", f"/stories/{id}/restore", {"node": node}) == (404, "not_found", None)
    assert window.error("POST", f"/stories/{id}/restore", {"node": "1"}) == (422, "invalid", "node")


def test_a_snapshot_has_a_name_of_its_own(window):
    id = window.story("One.")
    assert window.post(f"/stories/{id}/snapshots", {"label": " first draft "}) == {"revision": 1, "node": 1}
    assert window.get(f"/stories/{id}/history")["nodes"][0]["labels"] == ["first draft"]
    assert window.error("POST", f"/stories/{id}/snapshots", {"label": "first draft"}) == (422, "invalid", "label")
    assert window.error("POST", f"/stories/{id}/snapshots", {"label": "  "}) == (422, "invalid", "label")
    assert window.error("POST", f"/stories/{id}/snapshots", {}) == (422, "invalid", "label")


def test_undo_takes_back_a_decision_with_its_text(window):
    id = window.story("Anna walked. Anna left.")
    made = window.propose(id, {"op": "rename", "target": "anna", "to": "Eva"})
    window.post(f"/stories/{id}/suggestions/{made['id']}/decisions", {"accept": "all"})
    assert window.text(id) == "Eva walked. Eva left."
    assert window.get(f"/stories/{id}/suggestions")["suggestions"][0]["state"] == "decided"
    window.post(f"/stories/{id}/undo", {})
    assert window.text(id) == "Anna walked. Anna left."
    (again,) = window.get(f"/stories/{id}/suggestions")["suggestions"]
    assert (again["state"], {each["decision"] for each in again["hunks"]}) == ("open", {None})
