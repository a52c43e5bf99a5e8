"""Applies the diffs that documents show, as ``patch --strip=1`` does; for tests only."""

import re

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@.*")


def apply_diff(diff, folder):
    """Change the files of a folder.

    Raises ValueError unless each line that the diff keeps or removes stands where the diff says.
    """
    changed = {}
    path, lines, place = None, [], 0
    for line in diff.splitlines():
        if line.startswith("--- "):
            path = None
        elif line.startswith("+++ "):
            path = folder / line.removeprefix("+++ ").partition("/")[2]
            lines = changed[path] = path.read_text().splitlines()
            num_added = 0
        elif hunk := _HUNK.fullmatch(line):
            place = int(hunk[1]) - 1 + num_added
        elif path is None:
            raise ValueError(f"the diff has {line!r} before it names a file")
        elif line.startswith("+"):
            lines.insert(place, line[1:])
            place, num_added = place + 1, num_added + 1
        else:
            found = lines[place] if place < len(lines) else None
            if line[1:] != found:
                raise ValueError(
                    f"{path.name}, line {place + 1 - num_added}: {found!r}, not {line[1:]!r}"
                )
            if line.startswith("-"):
                del lines[place]
                num_added -= 1
            else:
                place += 1
    if not changed:
        raise ValueError("the diff names no file")
    for path, lines in changed.items():
        path.write_text("".join(f"{line}\n" for line in lines))
