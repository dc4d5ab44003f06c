-- The policy of the process that asks.
--
-- ARGV[4]  its numbers, separated by commas, as `encodePolicy` writes them
local p = cjson.decode('[' .. ARGV[4] .. ']')
local policy = {
  bucket_ms = p[1], buckets = p[2], window_ms = p[3], failure_threshold = p[4], failure_rate = p[5],
  minimum_requests = p[6], slow_call_rate = p[7], timeout_ms = p[8], max_timeout_ms = p[9], probes = p[10],
  quorum = p[11], lease_ms = p[12],
}
