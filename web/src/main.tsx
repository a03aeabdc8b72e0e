import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider } from "react-router";

import { bootstrap } from "./state/bootstrap";
import { useSession } from "./state/session";
import { routes } from "./views/routes";

import "./styles/index.css";

const queries = new QueryClient({
  defaultOptions: { queries: { staleTime: 30_000, retry: 2, refetchOnWindowFocus: false } },
});

// What one account was shown is nothing for the next.
useSession.subscribe(({ session }, before) => {
  if (session.kind !== before.session.kind)
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "markets" });
});

async function start(): Promise<void> {
  await bootstrap();
  const root = document.getElementById("root");
  if (root === null) throw new Error("index.html has no root");
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={createBrowserRouter(routes)} />
      </QueryClientProvider>
    </StrictMode>,
  );
}

void start();
