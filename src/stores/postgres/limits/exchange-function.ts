/**
 * One exchange between a process and a limit that all share, as a function of the database: the row of the limit is locked
 * once, for as long as the step takes, and one round trip is all that a process waits for. A swap of what another process
 * changes ten times a second would be lost more often than not.
 *
 * It is the script `stores/redis/limits/lua/exchange.lua` over rows, with the same replies to the same requests: what
 * either says of its invariant holds for both, and a test compares them. Here a bucket is as long as it was for who made
 * the limit, so that processes with different margins count in the same ones, and a clock that steps back by more than a
 * window makes the limit anew.
 *
 * `us` is the server's time in microseconds, read before the lock is waited for: late as it may be, it is after the
 * request was made, so leases end no later and uses count no shorter than they should.
 */
export const exchangeFunction = `
  CREATE FUNCTION @.limit_exchange(asked jsonb, channel text, head text, us bigint) RETURNS jsonb
  LANGUAGE plpgsql AS $exchange$
  DECLARE
    q record;
    l @.limits%ROWTYPE;
    own @.limit_leases%ROWTYPE;
    gone record;
    told record;
    mine @.limit_leases%ROWTYPE;
    now_ms bigint := us / 1000;
    known boolean;
    status text := 'same';
    span bigint;
    current bigint;
    at int;
    outworn bigint;
    used bigint;
    delta bigint;
    taken bigint;
    kept bigint;
    free bigint;
    room bigint;
    rest bigint;
    lately bigint;
    holds boolean;
    is_scarce boolean;
    granted bigint := 0;
    granted_back bigint := 0;
    granted_spare bigint := 0;
    oldest bigint;
    retry bigint;
    profile jsonb;
    told_by bigint;
  BEGIN
    SELECT * INTO q FROM jsonb_to_record(asked) AS x(
      id text, name text, process text, size bigint, win bigint, seq bigint, used bigint, used_known bigint, returned bigint,
      returned_known bigint, held bigint, live bigint, back bigint, live_least bigint, back_least bigint, spare bigint,
      lease bigint, reserved bigint, generation text, history jsonb, provider bigint);
    known := q.generation <> '';
    LOOP
      SELECT * INTO l FROM @.limits WHERE id = q.id AND name = q.name FOR UPDATE;
      EXIT WHEN FOUND;
      INSERT INTO @.limits (id, name) VALUES (q.id, q.name) ON CONFLICT DO NOTHING;
    END LOOP;
    SELECT * INTO own FROM @.limit_leases WHERE id = q.id AND name = q.name AND process = q.process;

    IF l.generation = '' OR l.expires <= now_ms OR now_ms / l.bucket_ms < l.first THEN
      -- New, or lost. Who knew it says so: nothing is granted until the others have come back and told what they used;
      -- meanwhile each goes on with its share. Of a limit that nobody knew, little is granted at first.
      DELETE FROM @.limit_leases WHERE id = q.id AND name = q.name;
      own := NULL;
      status := CASE WHEN known THEN 'lost' ELSE 'created' END;
      l.generation := us || '-' || q.process;
      l.wait := CASE WHEN known THEN now_ms + 2500 ELSE -(now_ms + 300) END;
      l.bucket_ms := ceil(q.win / 100.0);
      l.first := now_ms / l.bucket_ms - ceil(q.win::numeric / l.bucket_ms);
      l.units := '{}';
      l.scarce := false;
      l.held := 0; l.live := 0; l.back := 0; l.live_waiting := 0; l.back_waiting := 0; l.processes := 0;
      l.lapses := 0;
      PERFORM pg_notify(channel, head || ' new ' || q.id || ' ' || q.name);
    ELSIF own.sequence >= q.seq THEN
      RETURN jsonb_build_object('status', 'stale');
    ELSIF known AND q.generation <> l.generation THEN
      status := 'restate';
      -- a newcomer made it, and did not know that the others knew another one
      told_by := split_part(l.generation, '-', 1)::bigint / 1000 + 2500;
      IF l.wait <= 0 AND now_ms < told_by THEN l.wait := told_by; END IF;
    END IF;
    span := ceil(q.win::numeric / l.bucket_ms);
    current := now_ms / l.bucket_ms;

    -- what has left the window
    outworn := current - span - l.first;
    IF outworn > 0 THEN
      l.units := CASE WHEN outworn >= cardinality(l.units) THEN '{}' ELSE l.units[outworn + 1:] END;
      l.first := l.first + outworn;
    END IF;
    at := current - l.first + 1;
    IF cardinality(l.units) < at THEN
      l.units := l.units || array_fill(0::bigint, ARRAY[at - cardinality(l.units)]);
    END IF;

    -- leases that lapsed: what they held may have been used until now
    IF now_ms >= l.lapses THEN
      WITH late AS (
        DELETE FROM @.limit_leases WHERE id = q.id AND name = q.name AND lapses <= now_ms RETURNING *)
      SELECT coalesce(sum(late.held), 0) AS held, coalesce(sum(late.live), 0) AS live, coalesce(sum(late.back), 0) AS back,
        count(*) FILTER (WHERE late.live > 0) AS live_waiting, count(*) FILTER (WHERE late.back > 0) AS back_waiting,
        count(*) AS processes INTO gone FROM late;
      l.held := l.held - gone.held;
      l.live := l.live - gone.live;
      l.back := l.back - gone.back;
      l.live_waiting := l.live_waiting - gone.live_waiting;
      l.back_waiting := l.back_waiting - gone.back_waiting;
      l.processes := l.processes - gone.processes;
      l.units[at] := l.units[at] + gone.held;
      SELECT coalesce(min(lapses), now_ms + q.lease) INTO l.lapses FROM @.limit_leases WHERE id = q.id AND name = q.name;
      IF own.lapses <= now_ms THEN own := NULL; END IF;
    END IF;
    IF own.process IS NOT NULL THEN
      l.held := l.held - own.held;
      l.live := l.live - own.live;
      l.back := l.back - own.back;
      IF own.live > 0 THEN l.live_waiting := l.live_waiting - 1; END IF;
      IF own.back > 0 THEN l.back_waiting := l.back_waiting - 1; END IF;
    ELSE
      l.processes := l.processes + 1;
    END IF;
    -- permits of a lease that lapsed are not valid any more
    kept := least(q.held, coalesce(own.held, 0));

    IF q.history IS NULL THEN
      l.units[at] := l.units[at] + greatest(0, q.used - coalesce(own.used, q.used_known));
      -- What was reported and not used: taken from the oldest, so that no use that was recorded later leaves too early.
      delta := greatest(0, q.returned - coalesce(own.returned, q.returned_known));
      FOR i IN 1 .. at LOOP
        EXIT WHEN delta = 0;
        taken := least(l.units[i], delta);
        l.units[i] := l.units[i] - taken;
        delta := delta - taken;
      END LOOP;
    ELSE
      FOR told IN
        SELECT (now_ms - (pair ->> 0)::bigint) / l.bucket_ms AS bucket, (pair ->> 1)::bigint AS units
        FROM jsonb_array_elements(q.history) AS pair
      LOOP
        CONTINUE WHEN told.bucket < current - span;
        taken := greatest(1, told.bucket - l.first + 1);
        l.units[taken] := l.units[taken] + greatest(0, told.units);
      END LOOP;
    END IF;
    SELECT sum(u) INTO used FROM unnest(l.units) AS u;

    -- Strangers: what the provider counts beyond what is recorded, or held and perhaps used. Believed one way only.
    delta := greatest(0, coalesce(q.provider, 0) - used - l.held - kept);
    l.units[at] := l.units[at] + delta;
    used := used + delta;

    free := q.size - used - l.held - kept;
    IF -l.wait > now_ms THEN free := least(free, q.size / 5 - used - l.held - kept); END IF;
    holds := now_ms < l.wait;
    -- Said again by who found it: one who was cut off when it was said, and asks for nothing, has to tell what it used too.
    IF holds AND status = 'same' AND right(l.generation, length(q.process) + 1) = '-' || q.process THEN
      PERFORM pg_notify(channel, head || ' new ' || q.id || ' ' || q.name);
    END IF;
    is_scarce := q.live + l.live > free;
    room := free;
    IF is_scarce THEN
      -- Paced while calls wait: what comes free in a lump is not let go in a lump, or the lump comes again every window.
      SELECT coalesce(sum(u), 0) INTO lately FROM unnest(l.units[greatest(1, at - span / 10):at]) AS u;
      room := least(free, ceil(q.size / 5.0) - lately - l.held - kept);
      -- a call that costs more than that goes when nothing else did
      IF lately + l.held + kept = 0 THEN room := least(free, greatest(room, q.live_least)); END IF;
    END IF;

    -- Less than what the first call needs would only be held: two that wait for more would hold it against each other.
    IF NOT holds AND room > 0 THEN
      IF q.live > 0 THEN
        granted := CASE WHEN is_scarce
          THEN least(q.live, room, greatest(1, ceil(room::numeric / (l.live_waiting + 1)))) ELSE q.live END;
        IF granted < q.live_least THEN
          granted := CASE WHEN room >= q.live_least THEN q.live_least ELSE 0 END;
        END IF;
      END IF;
      rest := room - granted - l.live - (q.live - granted) - q.reserved;
      IF q.back > 0 AND rest > 0 THEN
        granted_back := least(q.back, rest, greatest(1, ceil(rest::numeric / (l.back_waiting + 1))));
        IF granted_back < q.back_least THEN
          granted_back := CASE WHEN rest >= q.back_least THEN q.back_least ELSE 0 END;
        END IF;
      END IF;
      IF NOT is_scarce AND q.spare > kept THEN
        granted_spare := greatest(0,
          least(q.spare - kept, (free - granted - granted_back - l.live) / (2 * l.processes)));
      END IF;
    END IF;

    IF is_scarce AND NOT l.scarce THEN
      l.scarce := true;
      PERFORM pg_notify(channel, head || ' scarce ' || q.id || ' ' || q.name);
    ELSIF NOT is_scarce AND free > q.size / 4.0 THEN
      l.scarce := false;
    END IF;

    mine.held := kept + granted + granted_back + granted_spare;
    mine.live := q.live - granted;
    mine.back := q.back - granted_back;
    INSERT INTO @.limit_leases AS x (id, name, process, sequence, held, live, back, used, returned, lapses)
    VALUES (q.id, q.name, q.process, q.seq, mine.held, mine.live, mine.back, q.used, q.returned, now_ms + q.lease)
    ON CONFLICT (id, name, process) DO UPDATE SET sequence = excluded.sequence, held = excluded.held, live = excluded.live,
      back = excluded.back, used = excluded.used, returned = excluded.returned, lapses = excluded.lapses;
    UPDATE @.limits SET size = q.size, win = q.win, generation = l.generation, wait = l.wait, bucket_ms = l.bucket_ms, first = l.first, units = l.units,
      scarce = l.scarce, held = l.held + mine.held, live = l.live + mine.live, back = l.back + mine.back,
      live_waiting = l.live_waiting + (mine.live > 0)::int, back_waiting = l.back_waiting + (mine.back > 0)::int,
      processes = l.processes, lapses = least(l.lapses, now_ms + q.lease),
      expires = now_ms + greatest(q.win, q.lease) * 2 + 60000
    WHERE id = q.id AND name = q.name;

    SELECT l.first + min(b.i) FILTER (WHERE b.u > 0) - 1 INTO oldest FROM unnest(l.units) WITH ORDINALITY AS b(u, i);
    SELECT jsonb_agg(coalesce(p.u, 0) ORDER BY t) INTO profile
    FROM generate_series(1, 10) AS t LEFT JOIN (
      SELECT greatest(1, least(10, (current - (l.first + b.i - 1)) * 10 / span + 1)) AS tenth, sum(b.u) AS u
      FROM unnest(l.units) WITH ORDINALITY AS b(u, i) GROUP BY 1) AS p ON p.tenth = t;
    IF mine.live > 0 OR mine.back > 0 THEN
      retry := ceil(q.win / 20.0);
      IF holds THEN retry := l.wait - now_ms;
      ELSIF oldest IS NOT NULL AND free - granted - granted_back <= 0 THEN
        retry := (oldest + span + 1) * l.bucket_ms - now_ms;
      END IF;
      -- of a new limit most comes once it is new no more, and not when what was granted has left the window
      IF -l.wait > now_ms THEN retry := least(retry, -l.wait - now_ms); END IF;
    END IF;
    RETURN jsonb_build_object('status', status, 'generation', l.generation, 'kept', kept, 'live', granted,
      'background', granted_back, 'spare', granted_spare, 'used', used,
      'free', free - granted - granted_back - granted_spare, 'processes', l.processes, 'scarce', is_scarce,
      'retryInMs', retry, 'holdMs', greatest(0, l.wait - now_ms), 'profile', profile);
  END
  $exchange$;`
