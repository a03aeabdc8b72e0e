import { useQuery, type UseQueryResult } from "@tanstack/react-query";

import { serverTime } from "../wire/rest";

/** How far the exchange's clock is ahead of this machine's, half a round trip allowed for; and whether REST answers. */
export function useServerClock(): UseQueryResult<number> {
  return useQuery({
    queryKey: ["clock"],
    queryFn: async () => {
      const asked = Date.now();
      const { serverTime: theirs } = await serverTime();
      return theirs - (asked + Date.now()) / 2;
    },
    refetchInterval: 5_000,
    retry: 0,
  });
}
