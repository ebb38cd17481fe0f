"""The Lua scripts of the store in Redis: each decides and writes in one step that nothing comes between.

All keys of a service carry one hash tag, so that a script finds them on one node of a Redis Cluster. A frame's place is
the text `tier:bucket:instance` with leading zeros, so that places of one score sort as the contract orders frames.
"""

from __future__ import annotations

from typing import Final

from fanlight.stores.redis_client import script

# Numbers of writing are microseconds of the server's clock, or one more than the last: after the server came back empty
# or with older data they still go up, and no cursor given out before skips what was written since.
WRITE: Final = script("""
-- KEYS sequence changes instances totals, then of each frame: its index, head, the index of series, series
-- ARGV instance, info, totals, has totals, what was written before (1 a heartbeat, 2 totals too), seconds totals are
--      kept, seconds news is kept, then of each frame: place, bucket, seconds the head is kept, seconds the series is
--      kept, head, series
-- Returns 0, and writes nothing, when what was written before is gone.
local before = tonumber(ARGV[5])
if before > 0 and redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0 then return 0 end
if before > 1 and redis.call('HEXISTS', KEYS[4], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[6])
if ARGV[4] == '1' then redis.call('HSET', KEYS[4], ARGV[1], ARGV[3]) end
redis.call('EXPIRE', KEYS[4], ARGV[6])
if #ARGV == 7 then return 1 end

local function keep(index, key, place, bucket, seconds, data)
  redis.call('SET', key, data, 'EX', seconds)
  redis.call('ZADD', index, bucket, place)
  redis.call('EXPIRE', index, seconds)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local number = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0) + 1)
local key = 5
for at = 8, #ARGV, 6 do
  local place, bucket = ARGV[at], ARGV[at + 1]
  keep(KEYS[key], KEYS[key + 1], place, bucket, ARGV[at + 2], ARGV[at + 4])
  if ARGV[at + 5] ~= '' then
    keep(KEYS[key + 2], KEYS[key + 3], place, bucket, ARGV[at + 3], ARGV[at + 5])
  elseif redis.call('ZREM', KEYS[key + 2], place) == 1 then
    redis.call('UNLINK', KEYS[key + 3])
  end
  redis.call('ZADD', KEYS[2], string.format('%.0f', number), place)
  number, key = number + 1, key + 4
end
redis.call('SET', KEYS[1], string.format('%.0f', number - 1), 'EX', ARGV[7])
redis.call('EXPIRE', KEYS[2], ARGV[7])
return 1
""")

PLACES: Final = script("""
-- KEYS an index or the changes; ARGV lowest, highest score, limit, excluded instance, where the instance begins
-- Returns place, score, place, score ...
local found, offset, limit = {}, 0, tonumber(ARGV[3])
repeat
  local page = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES', 'LIMIT', offset, limit)
  for at = 1, #page, 2 do
    if #found < 2 * limit and (ARGV[4] == '' or string.sub(page[at], ARGV[5]) ~= ARGV[4]) then
      found[#found + 1], found[#found + 2] = page[at], page[at + 1]
    end
  end
  offset = offset + limit
until #page < 2 * limit or #found >= 2 * limit
return found
""")

READ: Final = script("""
-- KEYS changes, then what to read: as many keys as places, or twice as many
-- ARGV highest number wanted, or '', then the places
-- Returns each value; false where it is gone, or its place was written again after that number
local found, places = redis.call('MGET', unpack(KEYS, 2)), #ARGV - 1
if ARGV[1] ~= '' then
  for at = 1, places do
    local number = redis.call('ZSCORE', KEYS[1], ARGV[at + 1])
    if not number or tonumber(number) > tonumber(ARGV[1]) then found[at] = false end
  end
end
return found
""")

PRUNE: Final = script("""
-- KEYS index, then what the places hold; ARGV the places. Returns how many were there.
for at = 2, #KEYS do redis.call('UNLINK', KEYS[at]) end
return redis.call('ZREM', KEYS[1], unpack(ARGV))
""")

RETIRE: Final = script("""
-- KEYS instances totals; ARGV instance, its info, its totals or '', the retired total or '', the new one or '', RETIRED
-- Returns 0 when any of them is no longer as it was read.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if (redis.call('HGET', KEYS[2], ARGV[1]) or '') ~= ARGV[3] then return 0 end
if ARGV[3] ~= '' then
  if (redis.call('HGET', KEYS[2], ARGV[6]) or '') ~= ARGV[4] then return 0 end
  redis.call('HSET', KEYS[2], ARGV[6], ARGV[5])
end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
""")

SEND: Final = script("""
-- KEYS commands, command, answers, then the waiting list of each target
-- ARGV id, expires, command, issued, limit, seconds kept, seconds leases and lists are kept, then the targets
-- Returns 0 when too many wait already.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[6])
for at = 4, #KEYS do
  redis.call('HSET', KEYS[3], ARGV[at + 4], '')
  redis.call('ZADD', KEYS[at], ARGV[4], ARGV[1])
  redis.call('EXPIRE', KEYS[at], ARGV[7])
end
redis.call('EXPIRE', KEYS[3], ARGV[6])
return 1
""")

ACKNOWLEDGE: Final = script("""
-- KEYS answers, the instance's waiting list; ARGV instance, command, answer
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('ZREM', KEYS[2], ARGV[2])
end
return 1
""")

FORGET: Final = script("""
-- KEYS commands, command, answers, then waiting lists; ARGV the command's id
for at = 4, #KEYS do redis.call('ZREM', KEYS[at], ARGV[1]) end
redis.call('UNLINK', KEYS[2], KEYS[3])
return redis.call('ZREM', KEYS[1], ARGV[1])
""")

ACQUIRE: Final = script("""
-- KEYS leases (by end) holders; ARGV name, instance, now, end, the end no lease can have, seconds kept
local ends, holder = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0), redis.call('HGET', KEYS[2], ARGV[1])
if holder and holder ~= ARGV[2] and ends > tonumber(ARGV[3]) and ends <= tonumber(ARGV[5]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return 1
""")

RELEASE: Final = script("""
-- KEYS leases holders; ARGV now. Removes the leases that have ended; returns how many.
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1000)
if #ended == 0 then return 0 end
redis.call('HDEL', KEYS[2], unpack(ended))
return redis.call('ZREM', KEYS[1], unpack(ended))
""")
